/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_TESTS_SAMPLE_KEYS_H
#define CLOUD_TESTS_SAMPLE_KEYS_H

/*
 * Public keys made with ssh-keygen, and their fingerprints as `ssh-keygen -lf` prints them. The
 * private halves were thrown away.
 */

#define ED25519_TYPE   "ssh-ed25519"
#define ED25519_BASE64 "AAAAC3NzaC1lZDI1NTE5AAAAIJ0NEGX2VINHJWVz5VCyd1iOPGncvy8oNOXuYVf6VT6M"
#define ED25519_PRINT  "SHA256:jI4QdOsToIxHPlZW+p7C2sEfTAr+IZeu+GnztxhI4Rg"

#define ED25519_SECOND_TYPE   "ssh-ed25519"
#define ED25519_SECOND_BASE64 "AAAAC3NzaC1lZDI1NTE5AAAAIABu12Mp6SIoQwcMDdPpG+R/9ZEWePNLDdciLV/2pT0G"
#define ED25519_SECOND_PRINT  "SHA256:ci0fswQQBdJ4Bcid1nMIcPHKtCc3E1SeqxrnSjUSEFo"

#define ECDSA_256_TYPE "ecdsa-sha2-nistp256"
#define ECDSA_256_BASE64                                                                           \
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBPxnTv01xoBFRwof0YWwE1uv"                 \
    "qWCy8Wra5/hUJxVP9pu8g0bnNWqYva0cFhrs3r9PRECRyqART1+jcz4Nl87yNAI="
#define ECDSA_256_PRINT "SHA256:Jz6AKO+9nZRjGNGOzPF8/gczJSMxD6bKzdg49QVzjJs"

#define ECDSA_384_TYPE "ecdsa-sha2-nistp384"
#define ECDSA_384_BASE64                                                                           \
    "AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBJoFKKDBJcBkE+F5/fnTlXuX"                 \
    "U7FjlIUVJRcD8CTSapgant6MIeaaHp5ggYo8P0ro6CgbaKYsvEtP2k2lusEB5w7inSRoOPLRP15o"                 \
    "HxTmFM8yTr6toxjcNQsAKP+E6cpktA=="
#define ECDSA_384_PRINT "SHA256:YNyxZMHJQ6O7GOKDKPUqgFa8OFr5NqMox/B82IBtTj4"

#define ECDSA_521_TYPE "ecdsa-sha2-nistp521"
#define ECDSA_521_BASE64                                                                           \
    "AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAB/eYhP391TYXqCjTMn2KZm"                 \
    "5FU7kl+KYkXthJzRMPeGtOIfFK82Mh97tR++uD6oclsWi98S8UHCKA30NTZTZM3xxQGW1aT500JR"                 \
    "wcWCUtlz7iT3ImNJC+ImZJuLttcnQNr6QSHjjxFfIdYs2NIe83NV4FLo3qVdgrhnST7uzqczf3dH"                 \
    "VQ=="
#define ECDSA_521_PRINT "SHA256:GHCJgO0iH/i/9EQZVJBhe8Rr47StjSN8PRCwFmmzc8E"

#define RSA_2048_TYPE "ssh-rsa"
#define RSA_2048_BASE64                                                                            \
    "AAAAB3NzaC1yc2EAAAADAQABAAABAQCjSct2AphzF6F3KEVJNL1p57F8u/h18pIMaHBh3rf8XLG6"                 \
    "BfkjpgCcngGajyocX97cuHgLTlASLnHi3tf4xNLzGMJQnDjKeshby1F0OAlcCafXJc8gFsEbn9VC"                 \
    "Sf87ZTWg0q+hIJWW3+Qd84LwmRrvzCflRP7fZgZhRwAHoMxdQVgclSJx5mFwmSTsYF7zCezxOwmm"                 \
    "y7WxqD/+/A+c0HIeFVwHLzfv1x+3unJJXpohIfu2CK45pEmoWysVi9jDlult5t/wyhqQalAu2rBH"                 \
    "jNSK8eTRwr8hFqiyJ1lELZxOE2onMrr7d9Be0jBItPAz8nC6Qj7sHdf41+0v24g5v3XL"
#define RSA_2048_PRINT "SHA256:CicyY18EKEIcCa7RHflEYz63+eioLElotVt0oIof83A"

#define RSA_3072_TYPE "ssh-rsa"
#define RSA_3072_BASE64                                                                            \
    "AAAAB3NzaC1yc2EAAAADAQABAAABgQDKmYCsjesxJXjmc7CeLfBZSmDCvRpxFpWOmio5jeyO6io1"                 \
    "z0v9K0WshGy30MzTJU3jI7lncgFYMDZhXN9t+TAfIa8JMxRHeCC6mA9rJ94zupoosDgj4H7/lAKf"                 \
    "mHI8g6qkwg9D3Wrrd3SCrbrdaVcN7S+G88V8oqa/0/pSYxDa4O9rrenaO+kPGaYgrs5x+HTB3Rix"                 \
    "xCCykqbE8e2gbAJEbHDqy9+pRi3NG4S96i5y2fO8oV7VQImoRPU5cgGGKuE4nodiT7XDXoewpjcv"                 \
    "UTzyI8U1NQbFe/wPzn+45F3g3wS4GvFjmiqO51xJ1Fe5sAqYAuLTUGd090nnNyQJcH5dp9m3sMyA"                 \
    "siSmSZofwr/aWUFxjGKuNJ7ndy8bSYnLdVjTv/ocK8U73NhxGkyHbwK7iTC6NMTVzwbzS1Yut7Qr"                 \
    "NPFxrW/VjfrZvxIK3HsHxIINg4TdULacZjIxOwCP/gI7jmMpfzJ+l0rIDQdkk7wQzN5SrrPerlkq"                 \
    "d0/8su452s0="
#define RSA_3072_PRINT "SHA256:6kkYnGp7rrjZRoVCd9+2TPr7IPrGyvcCXlpJV9mPObk"

#define RSA_1024_TYPE "ssh-rsa"
#define RSA_1024_BASE64                                                                            \
    "AAAAB3NzaC1yc2EAAAADAQABAAAAgQDTYXd7r4bvo6eE45om5dJVQ1YXF77ugZUFXNjXyjoQereC"                 \
    "QKRl5CiJ5ZCwkwSay02B/2pHZG1ao+bclu0uSepM1108Li4IQgf+ztLRZgTdo7qXKzBL9z+ITk0D"                 \
    "ZA2rO1AnCYebeS8IjoXtP6k6lepLa8sECwDpYuJQyJ8ECJ6nXQ=="
#define RSA_1024_PRINT "SHA256:8jci0nqmTZ8UePTD3QVy/KlqRctt5mgPVCEHXwBVeMU"

#define DSA_TYPE "ssh-dss"
#define DSA_BASE64                                                                                 \
    "AAAAB3NzaC1kc3MAAACBALtc5LOp61zHWwyY7twV2/K+RxZAVTZzpjYhEIVrQgsEuqqKkQZvyj/7"                 \
    "c2+ayGxbY3HmGxscCxoQqLUEjGcqUf02MrmrQzo3Rg+hYXkSiZrslf9QcYVmPImVU7Sv5wJ59tAv"                 \
    "nO7qaMQ4ujCSBSj49MeXSXQWBXmCjU+mTRJFP/DBAAAAFQDSOiTek7SFfKJq0kkV13I2kXBNLQAA"                 \
    "AIBxuTDc9OERQiWJpm4aTsnTE04Oe0HWjRHEbGloZHfYiAFs4SrOcTTxBOIvC9HNJCWHC9hOmWlM"                 \
    "PrutZF0ZqWkcwm58goIkRuoq9yA3ZfErY6V+29/LAhv8PoQ9iU8PdxF1+A9c0/BbUWlbwu6VCixW"                 \
    "dWjqsLKODDEcZPPVNQtWBwAAAIApjjlBIFI1aZeA1+YrcDPuMBgatRMGsnuYCnlGFKT+Eie5Mj6o"                 \
    "3ve/ozv1ojYZrRHkdy4jw3Xl6KIis3xw0sJsPnFSzf/q5X2BE6zAM5RwB30u2my4B6n8f430gU9e"                 \
    "qXAau/sliWjAVE51tNuoQKpnVg63Z9M+6YTb3wbmuRQHCw=="
#define DSA_PRINT "SHA256:ONwdpzNFF/dHu7hAeBdXaDcQ216nchxWJCXUNsH2qL8"

#define CERTIFICATE_TYPE "ssh-ed25519-cert-v01@openssh.com"
#define CERTIFICATE_BASE64                                                                         \
    "AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIDjahlia9nwL5y0AqPEogfRE"                 \
    "jmhvxNje+yRFcCMR5EApAAAAIABu12Mp6SIoQwcMDdPpG+R/9ZEWePNLDdciLV/2pT0GAAAAAAAA"                 \
    "AAAAAAABAAAAAXgAAAAFAAAAAXkAAAAAAAAAAP//////////AAAAAAAAAIIAAAAVcGVybWl0LVgx"                 \
    "MS1mb3J3YXJkaW5nAAAAAAAAABdwZXJtaXQtYWdlbnQtZm9yd2FyZGluZwAAAAAAAAAWcGVybWl0"                 \
    "LXBvcnQtZm9yd2FyZGluZwAAAAAAAAAKcGVybWl0LXB0eQAAAAAAAAAOcGVybWl0LXVzZXItcmMA"                 \
    "AAAAAAAAAAAAADMAAAALc3NoLWVkMjU1MTkAAAAgnQ0QZfZUg0clZXPlULJ3WI48ady/Lyg05e5h"                 \
    "V/pVPowAAABTAAAAC3NzaC1lZDI1NTE5AAAAQPiaullWm/zKcDasX0KlEoXStudZvY6e7vYbyKWi"                 \
    "4nNECtYo9IBOHM7cJRJs41hZzqYOglArR1Y4L/Rj9WIVPAc="
#define CERTIFICATE_PRINT "SHA256:ci0fswQQBdJ4Bcid1nMIcPHKtCc3E1SeqxrnSjUSEFo"

#endif
