/* SPDX-License-Identifier: Apache-2.0 */

/* What the start and the end of a process cost where it does nothing at all. */
int main(void)
{
    return 0;
}
