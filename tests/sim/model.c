/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The judgement, written from docs/api.md and docs/outages.md alone: it shares no rule and no type
 * with access/policy.c. Where those pages leave a second open, the verdict is EITHER.
 */
#include "tests/sim/host.h"

#include <string.h>

#define SECOND INT64_C(1000)
#define LAG    (60 * SECOND) /* a confirmation is stored so often */
#define FUTURE 300           /* seconds by which issued_at may be ahead */

const char *const roles[ROLES] = {"admin", "contributor", "viewer", "sftp", "owner"};
const char *const levels[LEVELS] = {NULL, "admin", "contributor", "viewer", "none", "Admin"};
const char *const statuses[STATUSES] = {"active",   "dirty",    "paused",
                                        "inactive", "deleting", "frozen"};
const char *const froms[FROMS] = {NULL, "[\"192.0.2.0/24\"]",
                                  "[\"2001:db8::/32\",\"198.51.100.7\"]", "[]"};
const char *const addresses[ADDRESSES] = {"192.0.2.5",        "198.51.100.7",    "2001:db8::9",
                                          "::ffff:192.0.2.9", "ssh.example.com", "fe80::1%eth0"};

/* Which addresses are in which `from`. */
static const bool is_in[FROMS][ADDRESSES] = {
    [FROM_ANYWHERE] = {true, true, true, true, true, true},
    [FROM_NET] = {true, false, false, true, false, false},
    [FROM_TWO] = {false, true, true, false, false, false},
    [FROM_NOWHERE] = {false, false, false, false, false, false},
};

/* The table of roles: shell by access.ssh, sFTP by access.sftp. */
static bool role_enters(enum role role, enum level level, bool sftp)
{
    static const bool shell_table[ROLES][LEVELS] = {
        [ADMIN] = {[LEVEL_ADMIN] = true, [LEVEL_CONTRIBUTOR] = true, [LEVEL_VIEWER] = true},
        [CONTRIBUTOR] = {[LEVEL_CONTRIBUTOR] = true, [LEVEL_VIEWER] = true},
        [VIEWER] = {[LEVEL_VIEWER] = true},
    };

    if (level == LEVEL_DEFAULT)
        level = LEVEL_CONTRIBUTOR;
    if (role == SFTP_ROLE)
        return sftp &&
               (level == LEVEL_ADMIN || level == LEVEL_CONTRIBUTOR || level == LEVEL_VIEWER);
    return shell_table[role][level];
}

static enum verdict lesser(enum verdict a, enum verdict b)
{
    return a < b ? a : b;
}

static enum verdict judge_right(const struct right *right, int address)
{
    int64_t wall = world->wall / SECOND, boot = world->boot / SECOND;
    int64_t least = world->ends_by + boot - world->ends_boot;

    if (right->unreadable || (address >= 0 && !is_in[right->from][address]))
        return NO;
    if (right->not_before > 0 && wall < right->not_before)
        return NO;
    if (right->expires_at == 0)
        return YES;
    if ((wall > least ? wall : least) > right->expires_at)
        return NO;
    return world->highest + boot + 1 < right->expires_at ? YES : EITHER;
}

/* ---- Denials ---- */

static enum verdict not_denied(const struct denied *denied)
{
    int64_t wall = world->wall / SECOND;

    return denied->least > wall ? NO : denied->most > wall ? EITHER : YES;
}

/* Whether the denial of the subject is one of what a login comes with. */
static bool is_subject_of(int subject, int offer)
{
    const struct certificate *certificate = &world->certificate[offer - KEYS];

    if (offer < KEYS)
        return subject == offer;
    return subject == certificate->key || subject == certificate->authority ||
           subject == CERTIFIED + certificate->authority * SERIALS + (int)certificate->serial;
}

static enum verdict is_offer_let(int offer)
{
    enum verdict let = not_denied(&world->list_damaged);

    for (int i = 0; i < SUBJECTS; i++)
        if (is_subject_of(i, offer))
            let = lesser(let, not_denied(&world->denied[i]));
    return let;
}

/* Whether no denial of the person or the environment keeps them out. */
static enum verdict is_person_let(int environment, int person)
{
    const struct denied *denied = world->denied;

    return lesser(lesser(not_denied(&denied[NAMES + person]), not_denied(&denied[IDS + person])),
                  not_denied(&denied[WHOLES + environment]));
}

/* Until it is answered, and for ever if it fails, either may be so. */
void model_ordered(struct order *order)
{
    int64_t until = order->until == 0 ? INT64_MAX : order->until;

    order->known = not_denied(&world->denied[order->subject]) == NO;
    for (int i = 0; i < SUBJECTS; i++) {
        struct denied *denied = &world->denied[i];
        if (denied->least <= world->wall / SECOND) /* forgotten with the next change */
            denied->least = 0;
        if (!order->all && i != order->subject)
            continue;
        if (!order->deny || until < denied->least)
            denied->least = order->deny ? until : 0;
        if (order->deny && until > denied->most)
            denied->most = until;
    }
    if (order->all)
        world->list_damaged.least = 0;
}

void model_done(struct order *order)
{
    int64_t until = !order->deny ? 0 : order->until == 0 ? INT64_MAX : order->until;

    for (int i = 0; i < SUBJECTS; i++)
        if (order->all || i == order->subject)
            world->denied[i] = (struct denied){until, until};
    if (order->all)
        world->list_damaged = (struct denied){0};
    order->done = world->lived;
}

/* ---- The document ---- */

/* Who comes with what, and from where; or whose session is open. */
struct visit {
    int offer, address; /* address -1: not known */
    bool session;
    int person; /* that it must be, or -1 */
};

static enum verdict opens_by_key(const struct version *version, const struct listed *person,
                                 const struct visit *visit)
{
    enum verdict best = NO;

    for (int i = 0; i < person->keys; i++) {
        const struct listed_key *own = &person->key[i];
        bool is_sk = own->key >= KEYS - SECURITY_KEYS;
        enum verdict opens = judge_right(&own->right, visit->address);
        if (own->key == visit->offer && (!own->verify || is_sk) &&
            (!version->require_mfa || visit->session || own->verify) && opens > best)
            best = opens;
    }
    return best;
}

/* Whether the claims meet access.require. */
static enum verdict has_mfa(const struct certificate *certificate)
{
    int64_t boot = world->boot / SECOND, wall = world->wall / SECOND;
    int64_t least = world->ends_by + boot - world->ends_boot, most = world->highest + boot + 1;
    int64_t at = certificate->claims == CLAIMS_HAS_MFA ? certificate->right.not_before
                                                       : certificate->auth_time;

    least = wall > least ? wall : least;
    if ((certificate->claims != CLAIMS_HAS_MFA && certificate->claims != CLAIMS_MFA) ||
        least - at > 3600 || at > most + 300)
        return NO;
    return most - at <= 3600 && at <= least + 300 ? YES : EITHER;
}

static enum verdict opens_by_certificate(const struct version *version, const struct listed *person,
                                         const struct visit *visit)
{
    const struct certificate *certificate = &world->certificate[visit->offer - KEYS];
    struct right valid = certificate->right;
    enum verdict best = NO;

    if (certificate->fault != CERTIFICATE_GOOD || certificate->person != person->person ||
        version->unreadable_authorities || valid.expires_at - valid.not_before > 86400 + 300)
        return NO;
    for (int i = 0; i < version->authorities; i++) {
        const struct listed_key *authority = &version->authority[i];
        enum verdict opens = judge_right(&authority->right, visit->address);
        if (authority->key == certificate->authority && !authority->verify && opens > best)
            best = opens;
    }
    if (visit->session)
        valid.not_before = 0;
    if (visit->session && world->settings.outlives)
        valid.expires_at = 0;
    if (version->require_mfa && !visit->session)
        best = lesser(best, has_mfa(certificate));
    return lesser(best, judge_right(&valid, -1));
}

static enum verdict judge(int number, enum kind kind, const struct visit *visit)
{
    const struct version *version = &world->version[number];
    enum level level = kind == SFTP_KIND ? version->sftp : version->ssh;
    enum verdict best = NO;

    if (version->unreadable_people || version->unreadable_session || version->unreadable_require ||
        version->hosts >= 2 || (version->status != ACTIVE && version->status != DIRTY))
        return NO;
    if (version->apps && (kind == NO_APP || (kind == APP && !version->lists_app)))
        return NO;
    if (version->apps && kind == APP && version->app != LEVEL_DEFAULT)
        level = version->app;
    for (int i = 0; i < version->listed; i++) {
        const struct listed *person = &version->person[i];
        enum verdict enters = visit->offer < KEYS ? opens_by_key(version, person, visit)
                                                  : opens_by_certificate(version, person, visit);
        enters = lesser(enters, judge_right(&person->right, visit->address));
        enters = lesser(enters, is_person_let(version->environment, person->person));
        if ((visit->person < 0 || visit->person == person->person) && enters > best &&
            role_enters(person->role, level, kind == SFTP_KIND))
            best = enters;
    }
    return lesser(best, is_offer_let(visit->offer));
}

enum verdict model_judge(int version, enum kind kind, int offer, int address)
{
    return judge(version, kind, &(const struct visit){offer, address, false, -1});
}

/* ---- What the host does not handle ---- */

/* Whether `allow` does not list the environment. */
static bool is_foreign(const struct environment *e)
{
    return world->settings.narrow && strcmp(e->project, world->environment[0].project) != 0;
}

/* Whether the host refuses the documents of the environment. */
static bool is_unusable(const struct environment *e)
{
    return e->local[PLAIN] || e->local_id != LOCAL_NOT || is_foreign(e);
}

static bool is_unserved(const struct environment *e, enum kind kind)
{
    return e->local[kind] || is_unusable(e);
}

/* Whether the daemon may handle the name. `allow` counts as it was when the question came, and so
 * do local names that the document's own name does not have; those of the session come later. */
static bool is_ours(const struct person_login *login)
{
    const struct environment *e = &world->environment[login->environment];

    return !e->local[PLAIN] && e->local_id == LOCAL_NOT &&
           (!is_foreign(e) || login->asked <= world->reloaded) &&
           (!e->local[login->kind] || login->asked <= world->edited);
}

void model_local(void)
{
    for (int i = 0; i < world->environments; i++)
        for (int k = 0; k < KINDS; k++)
            if (is_unserved(&world->environment[i], (enum kind)k))
                world->environment[i].local_until = world->lived;
}

/* ---- Signed documents (docs/signing.md) ---- */

/* For how long an outage may use the version, and a signed document may be used, in milliseconds.
 */
static int64_t bound_of(int number)
{
    int64_t own = number == ABSENT ? -1 : world->version[number].max_stale;
    int64_t host = world->settings.max_stale;

    return SECOND * (own >= 0 && own < host ? own : host);
}

/* Whether the answer is signed by a key that the host has now, if it has any. */
static bool is_valid(const struct good *good)
{
    unsigned signers = world->settings.signers;

    return signers == 0 ? good->signers == 0 : (good->signers & signers) != 0;
}

static bool is_well_formed(const struct envelope *envelope)
{
    return (envelope->flaw == ENVELOPE_GOOD || envelope->flaw == ENVELOPE_LONG) &&
           envelope->issued != 0 && (envelope->signers & world->settings.signers) != 0;
}

/* The issued_at of the document that the host has accepted last: at least, and at most. A daemon
 * that may have another one, or none, may accept any. */
static int64_t least_issued(const struct environment *e)
{
    int64_t least = INT64_MAX;

    for (int i = 0; i < e->goods; i++)
        if (!is_valid(&e->good[i]))
            return INT64_MIN;
        else if (e->good[i].issued < least)
            least = e->good[i].issued;
    return e->goods == 0 || e->unsure || world->disk_failed ? INT64_MIN : least;
}

static int64_t most_issued(const struct environment *e)
{
    int64_t most = INT64_MIN;

    for (int i = 0; i < e->goods; i++)
        if (e->good[i].issued > most)
            most = e->good[i].issued;
    if (e->former > most)
        most = e->former;
    return e->tombstone > most ? e->tombstone : most;
}

enum verdict model_takes(int environment, const struct envelope *envelope)
{
    const struct environment *e = &world->environment[environment];
    int64_t wall = world->wall / SECOND, issued = envelope->issued;

    /* A thread that hangs may read it some seconds later, and the clock be set forward before. */
    if (envelope->environment != environment || !is_well_formed(envelope) ||
        (issued > wall + FUTURE + 10 && !host_is_stalled()) || issued < least_issued(e))
        return NO;
    if (issued > wall + FUTURE || issued < most_issued(e))
        return EITHER;
    /* One that is too old to be used may be the last accepted one all the same. */
    return SECOND * (wall + 10 - issued) < bound_of(envelope->version) ? YES : EITHER;
}

bool model_has(int environment, const struct envelope *envelope)
{
    const struct environment *e = &world->environment[environment];

    if (envelope->version == ABSENT || !is_well_formed(envelope))
        return false;
    for (int i = 0; i < e->goods; i++)
        if (e->good[i].version == envelope->version && e->good[i].issued == envelope->issued)
            return true;
    return false;
}

/* How long ago it was signed; by the clock that has gone on further since it was taken. */
static int64_t signed_age(const struct good *good)
{
    int64_t wall = world->wall - SECOND * good->issued;
    int64_t lived = good->signed_age + world->lived - good->taken;

    return good->taken == 0 || good->incarnation != world->incarnations || wall > lived ? wall
                                                                                        : lived;
}

/* Why its signature lets nobody in now; or NULL. */
static const char *fault_of_signature(const struct good *good)
{
    if (!is_valid(good))
        return "the document is signed by no key that the host has";
    if (good->signers == 0)
        return NULL;
    if (good->issued > world->wall / SECOND + FUTURE)
        return "the document was signed in the future";
    return signed_age(good) > bound_of(good->version) + 2 * SECOND
               ? "the document was signed too long ago"
               : NULL;
}

static void forget_absence(struct environment *e)
{
    e->withheld = e->doubted = e->confirmed = false;
    e->tombstone = 0;
}

void model_keys_changed(void)
{
    for (int i = 0; i < world->environments; i++) {
        struct environment *e = &world->environment[i];
        e->failed = false;
        forget_absence(e);
        /* What the daemon has on the disk it reads again, as after a restart. */
        for (int k = 0; k < e->goods; k++) {
            e->good[k].incarnation = 0;
            e->good[k].since = 0;
        }
    }
    world->feed_heard = -1;
}

/* When the answer was asked for, by a clock that was put back since: the daemon takes that. */
static void put_wall_back(struct good *good)
{
    int64_t wall = world->wall - (world->lived - good->lived);

    if (good->wall > wall)
        good->wall = wall;
}

void model_clock_set(void)
{
    for (int i = 0; i < world->environments; i++) {
        struct environment *e = &world->environment[i];
        struct good *last = e->goods > 0 ? &e->good[e->goods - 1] : NULL;
        if (last == NULL || last->taken != 0)
            continue;
        put_wall_back(last);
        if (last->kept_wall > last->wall)
            last->kept_wall = last->wall;
        if (last->signers == 0)
            continue;
        e->unsure = true;
        if (e->binding == BOUND && !e->binding_kept)
            e->binding = PERHAPS_BOUND;
    }
}

/* The one answer that the daemon certainly has; or NULL. */
static const struct good *only(const struct environment *e)
{
    return e->goods == 1 && !e->unsure && is_valid(&e->good[0]) ? &e->good[0] : NULL;
}

/* ---- What the API has said ---- */

void model_forget(void)
{
    for (int i = 0; i < world->environments; i++) {
        struct environment *e = &world->environment[i];
        e->former = most_issued(e);
        e->left = true;
        e->goods = 0;
        e->stuck = e->unsure = e->failed = false;
        forget_absence(e);
    }
    world->feed_heard = -1;
}

/* Whether the one has only confirmed the other. */
static bool is_same(const struct good *a, const struct good *b)
{
    return a->version == b->version && a->issued == b->issued && a->signers == b->signers;
}

/* ---- Whose the ids are (cloudauthd(8), "Freshness and outages") ---- */

/* Whether the environment has had the uid or the gid in some document. */
static bool has_had(int environment, const struct version *wanted)
{
    for (int i = 0; i < world->versions; i++) {
        const struct version *version = &world->version[i];
        if (version->environment == environment &&
            (version->uid == wanted->uid || version->gid == wanted->gid))
            return true;
    }
    return false;
}

/* Whether the host may use the document, as far as its ids go: the first environment with an id
 * keeps it, and an environment keeps its ids. */
static enum verdict has_own_ids(int number)
{
    const struct version *version = &world->version[number];
    enum verdict own = YES;

    for (int i = 0; i < world->environments && world->moves_ids; i++) {
        const struct environment *e = &world->environment[i];
        bool uid = e->uid == version->uid, gid = e->gid == version->gid;
        bool is_other = i != version->environment;
        if (e->binding == BOUND && (is_other ? uid || gid : !uid || !gid))
            return NO;
        if (e->binding == PERHAPS_BOUND && (!is_other || has_had(i, version)))
            own = EITHER;
    }
    return own;
}

/* The host has taken the document, certainly or perhaps. */
static void bind_ids(struct environment *e, int number, bool sure)
{
    if (e->binding == BOUND)
        return;
    e->binding = sure ? BOUND : PERHAPS_BOUND;
    e->uid = world->version[number].uid;
    e->gid = world->version[number].gid;
    e->binding_kept = false;
    e->binding_failures = world->disk_failures;
}

/* Whether an operator's release of the environment's ids is under way: no session opens then. */
static bool is_leaving(int environment)
{
    const struct order *order = &world->order;

    return order->waiting && order->rebinds && order->subject == environment;
}

/* The host has taken the last answer, which perhaps had bound its ids. */
static void settle_ids(struct environment *e)
{
    const struct version *version = &world->version[e->good[0].version];

    if (e->binding != PERHAPS_BOUND || e->released > 0 || e->uid != version->uid ||
        e->gid != version->gid || (e->leaving > 0 && e->good[0].came <= e->leaving))
        return;
    e->binding = BOUND;
    if (has_own_ids(e->good[0].version) != YES)
        e->binding = PERHAPS_BOUND;
}

/* The daemon has answered by the document. So its ids are bound, unless an operator has released
 * them: then they are when a login is granted. */
static void see_ids(struct environment *e, int number, bool granted)
{
    if (has_own_ids(number) == NO)
        wrong("uid %u or gid %u is another environment's, or %s has others",
              world->version[number].uid, world->version[number].gid, e->plain);
    if (e->binding == BOUND || (e->released > 0 && !granted) ||
        is_leaving(world->version[number].environment))
        return;
    bind_ids(e, number, true);
    e->binding_failures = -1;
    if (e->released > 0)
        e->rebound = world->lived;
}

static bool is_any_released(void)
{
    for (int i = 0; i < world->environments; i++)
        if (world->environment[i].released > 0)
            return true;
    return false;
}

/* Whether a release certainly counts. After a start it does not if the ids may have been bound
 * again, or if the list is damaged, where that line may be lost. */
static bool is_released(const struct environment *e)
{
    return e->released > 0 && (e->released_in == world->incarnations ||
                               (e->binding == UNBOUND && !world->owners_damaged));
}

/* Whether the daemon has lost the document: its ids were released before the daemon's start. */
static bool is_refused(const struct environment *e, const struct good *good)
{
    return is_released(e) && good->lived < e->released && e->released_in != world->incarnations;
}

/* Whether the ids certainly are no reason to refuse the login. */
static bool has_sure_ids(const struct environment *e, int number)
{
    return !world->moves_ids || (e->binding == BOUND && has_own_ids(number) == YES);
}

/* Each start binds again what is in a stored document, if the list of ids has lost it. */
static void doubt_bindings(void)
{
    for (int i = 0; i < world->environments; i++) {
        struct environment *e = &world->environment[i];
        const struct good *good = only(e);
        bool is_stored = good != NULL && good->version != ABSENT && good->taken != 0 &&
                         e->released == 0 && !world->disk_failed &&
                         world->version[good->version].uid == e->uid &&
                         world->version[good->version].gid == e->gid;
        /* If a release may be lost, so may the ids of those who have them since. */
        if ((e->binding == BOUND && !e->binding_kept && !is_stored) ||
            (is_any_released() && world->owners_damaged))
            e->binding = PERHAPS_BOUND;
    }
}

void model_damaged(const char *name)
{
    if (strcmp(name, "denials") == 0)
        world->list_damaged = (struct denied){INT64_MAX, INT64_MAX};
    if (strcmp(name, "owners") == 0) {
        world->owners_damaged = true;
        for (int i = 0; i < world->environments; i++)
            world->environment[i].binding_kept = false;
    } else {
        world->disk_failed = true;
    }
    doubt_bindings();
}

/* ---- Many absences (cloudauthd(8), "Freshness and outages") ---- */

/* Whether the daemon has a document of the environment that it may use, or one of another API. */
static enum verdict has_document(const struct environment *e)
{
    const struct good *good = only(e);
    bool none = !e->unsure;

    for (int i = 0; i < e->goods; i++)
        none = none && e->good[i].version == ABSENT;
    if (none)
        return e->left ? EITHER : NO;
    return good != NULL && !good->dead && !is_unusable(e) &&
                   (good->version == ABSENT || has_sure_ids(e, good->version)) &&
                   (good->incarnation == world->incarnations ||
                    (!world->clock_set && !world->disk_failed))
               ? YES
               : EITHER;
}

/* How many other environments with a document have certainly turned absent within ten minutes, as
 * this daemon knows; or perhaps: it counts whole minutes. */
static int count_others_absent(const struct environment *e, bool perhaps)
{
    bool is_counted[ENVIRONMENTS] = {false};
    int n = 0;

    for (int i = 0; i < world->absences && i < ABSENCES; i++) {
        int64_t since = world->lived - world->absence[i].at;
        bool sure = world->absence[i].sure && world->absence[i].incarnation == world->incarnations;
        int which = world->absence[i].environment;
        if (e == &world->environment[which] || is_counted[which] ||
            (perhaps ? since > 660 * SECOND : !sure || since >= 600 * SECOND))
            continue;
        is_counted[which] = true;
        n++;
    }
    return n;
}

static bool is_any_doubted(void)
{
    for (int i = 0; i < world->environments; i++)
        if (world->environment[i].doubted)
            return true;
    return false;
}

/* Whether the daemon believes that the environment is absent. With so few environments as there are
 * here, more than three are more than 20 %. */
static enum verdict is_believed(const struct environment *e)
{
    enum verdict has = has_document(e);

    if (has == NO || e->confirmed)
        return YES;
    if (has == YES && (e->withheld || count_others_absent(e, false) >= 3))
        return NO;
    return count_others_absent(e, true) < 3 && !is_any_doubted() ? YES : EITHER;
}

/* The API has said that there is the environment; perhaps the daemon has refused that. */
static void see_again(struct environment *e, bool doubtful)
{
    bool doubted = doubtful && (e->doubted || e->confirmed);
    int64_t tombstone = doubtful ? e->tombstone : 0;

    forget_absence(e);
    e->doubted = doubted;
    e->tombstone = tombstone;
}

void model_refuses(int environment)
{
    see_again(&world->environment[environment], true);
}

/* The API has said that the environment is absent. Returns whether the daemon believes it. */
static enum verdict turn_absent(struct environment *e, const struct good *good)
{
    enum verdict has = has_document(e), believed = is_believed(e);
    bool counts = has != NO && !e->confirmed && believed != NO;

    if (believed == YES)
        forget_absence(e);
    else
        e->tombstone = good->issued;
    e->withheld = believed == NO && !good->doubtful; /* else it may be refused for its time */
    e->doubted = believed != YES;
    if (counts) {
        int place = world->absences++ % ABSENCES;
        world->absence[place].environment = (int)(e - world->environment);
        world->absence[place].at = world->lived;
        world->absence[place].incarnation = world->incarnations;
        world->absence[place].sure = has == YES && believed == YES && !good->doubtful;
    }
    return believed;
}

void model_confirmed(int environment)
{
    struct environment *e = &world->environment[environment];

    if (!e->withheld)
        return;
    forget_absence(e);
    e->confirmed = true;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Says which confirmation is on the disk: this one if the one before, which is NULL for a new
 * document, is old enough. A daemon that has read the one before has its time in whole seconds, so
 * it may store this one a little earlier or later. */
static void store(struct good *good, const struct good *before)
{
    int64_t slack;

    good->kept = good->keep = good->kept_last = good->lived;
    good->kept_wall = good->keep_wall = good->wall;
    if (before == NULL)
        return;
    slack = before->incarnation == world->incarnations ? before->slack : 2 * SECOND;
    good->kept = before->kept;
    if (before->kept_wall < good->wall)
        good->kept_wall = before->kept_wall;
    if (good->lived - before->kept_last >= LAG + slack)
        return;
    good->slack = slack;
    /* Else the one before would have been old enough. */
    good->keep = later(good->kept, good->lived - LAG - slack);
    good->keep_wall = good->kept_wall;
    if (!world->clock_set)
        good->keep_wall = later(good->kept_wall, good->wall - LAG - slack);
    if (good->lived - before->kept < LAG - slack)
        good->kept_last = before->kept_last;
}

void model_answered(int environment, const struct good *good)
{
    struct environment *e = &world->environment[environment];
    struct good before = {.version = UNAVAILABLE};
    enum verdict believed = YES; /* the absence, or the ids */

    if (good != NULL && good->version == ABSENT) {
        believed = turn_absent(e, good);
    } else if (good != NULL) {
        see_again(e, good->doubtful);
        believed = has_own_ids(good->version);
        if (believed == NO && is_any_released()) /* it may have the document from before */
            believed = EITHER;
        if (e->released > 0 && good->lived <= e->released) /* it may not bind the ids again */
            believed = lesser(believed, EITHER);
    }
    e->failed = good == NULL || believed == NO;
    e->has_ids_of_other = good != NULL && good->version != ABSENT && believed == NO;
    if (e->has_ids_of_other)
        e->refused = *good;
    if (e->failed)
        return;
    /* It takes no document then, but may hear that the one that it has is still current. */
    e->unsure = good->doubtful || believed == EITHER || (is_unusable(e) && good->version != ABSENT);
    e->failed = e->unsure;
    e->left = e->left && (e->unsure || world->disk_failed);
    if (good->version != ABSENT) /* until model_settled, as a thread reads it first */
        bind_ids(e, good->version, false);
    if (e->goods > 0)
        before = e->good[e->goods - 1];
    if (e->goods == GOODS) /* all but the last may be there: the one before matters least */
        e->goods--;
    e->good[e->goods] = *good;
    e->good[e->goods].came = world->lived;
    put_wall_back(&e->good[e->goods]);
    store(&e->good[e->goods], is_same(&before, good) ? &before : NULL);
    if (is_same(&before, good) && before.incarnation == world->incarnations) {
        e->good[e->goods].taken = before.taken; /* it is only confirmed: its signature ages on */
        e->good[e->goods].signed_age = before.signed_age;
    }
    e->good[e->goods++].incarnation = world->incarnations;
}

void model_rebinds(struct order *order)
{
    struct environment *e = &world->environment[order->subject];

    e->leaving = world->lived;
    order->bound = e->binding == BOUND;
    order->idle = host_is_idle();
    if (order->bound)
        e->binding = PERHAPS_BOUND;
}

void model_rebound(const struct order *order, const char *reason)
{
    struct environment *e = &world->environment[order->subject];

    if (reason != NULL && strcmp(reason, "not-bound") == 0 && order->bound && order->idle)
        wrong("%s has lost its ids", e->plain);
    if (reason == NULL) {
        e->binding = UNBOUND;
        e->released = e->rebound = world->lived;
        e->released_in = world->incarnations;
        for (int i = 0; i < world->environments; i++)
            if (world->environment[i].has_ids_of_other) {
                world->environment[i].refused.doubtful = true;
                model_answered(i, &world->environment[i].refused);
            }
    } else if (order->bound) {
        e->binding = BOUND;
    }
}

void model_feed(const bool named[ENVIRONMENTS], bool whole)
{
    world->feed_failed = named == NULL;
    if (named == NULL)
        return;
    world->feed_heard = world->lived;
    world->feed_wall = world->wall;
    for (int i = 0; i < world->environments; i++) {
        struct environment *e = &world->environment[i];
        if (named[i] && e->naming[whole] == 0)
            e->naming[whole] = world->lived;
    }
}

/* The daemon has seen that the clock was put back. */
static void model_put_back(void)
{
    for (int i = 0; i < world->environments; i++)
        for (int k = 0; k < world->environment[i].goods; k++) {
            struct good *good = &world->environment[i].good[k];
            good->behind = good->behind || good->came < world->put_back;
        }
    world->put_back = 0;
}

void model_settled(void)
{
    if (world->put_back != 0 && world->lived - world->put_back > SECOND + 200)
        model_put_back();
    if (world->feed_failed)
        world->feed_heard = -1;
    for (int i = 0; i < world->environments; i++) {
        struct environment *e = &world->environment[i];
        if (e->naming[false] != 0)
            e->named_after = e->naming[false];
        if (e->naming[true] != 0)
            e->whole_after = e->naming[true];
        if ((e->naming[false] | e->naming[true]) != 0)
            e->named = world->lived;
        e->naming[false] = e->naming[true] = 0;
        e->has_ids_of_other = false;
        e->binding_kept = e->binding_kept || e->binding_failures == world->disk_failures;
        if (e->goods > 0 && e->good[e->goods - 1].taken == 0) {
            e->good[e->goods - 1].taken = world->lived;
            e->good[e->goods - 1].signed_age = world->wall - SECOND * e->good[e->goods - 1].issued;
        }
        if (e->goods == 0 || e->stuck || e->unsure ||
            e->good[e->goods - 1].incarnation != world->incarnations)
            continue;
        e->good[0] = e->good[e->goods - 1];
        if (e->good[0].version != ABSENT)
            settle_ids(e);
        e->good[0].kept = e->good[0].keep;
        e->good[0].kept_wall = e->good[0].keep_wall;
        e->goods = 1;
    }
}

void model_ended(void)
{
    doubt_bindings();
    for (int i = 0; i < world->environments; i++)
        if (world->environment[i].released > 0)
            world->environment[i].rebound = world->lived;
    for (int i = 0; i < world->environments; i++) {
        struct environment *e = &world->environment[i];
        e->failed = false;
        forget_absence(e);
        e->asked = -1;
        e->named = e->named_after = e->whole_after = -1;
        e->naming[false] = e->naming[true] = 0;
        /* Its only document may not have reached the disk. */
        if (e->goods == 1 && e->good[0].taken == 0)
            e->unsure = true;
        for (int k = 0; k < e->goods; k++)
            e->good[k].since = 0;
    }
    world->order.done = 0;
    world->stepped = false;
    world->feed_heard = -1;
    world->feed_failed = false;
    world->put_back = 0;
    /* What the daemon had seen of the clock is gone, but for what its documents tell. */
    world->ends_by = world->ends_boot = 0;
}

void model_booted(bool back)
{
    for (int i = 0; i < world->environments; i++) {
        struct environment *e = &world->environment[i];
        for (int k = 0; k < e->goods; k++)
            e->good[k].dead = e->good[k].dead || e->good[k].behind || back;
    }
}

/* ---- What must hold ---- */

/* How old the answer is by the clock that has gone on further. */
static int64_t age_of(const struct good *good)
{
    int64_t lived = world->lived - good->lived, wall = world->wall - good->wall;

    if (good->boots == world->boots)
        return lived > wall ? lived : wall;
    /* The wall clock alone tells when the daemon reads it, if that; from then on both do. */
    if (good->since > 0 && wall < world->lived - good->since)
        return world->lived - good->since;
    return lived < wall ? lived : wall;
}

static bool is_current(const struct environment *e, const struct good *good)
{
    /* 10 seconds of wait, and 2 more; by the clock that goes on further. */
    return world->feed_heard >= 0 && world->lived - world->feed_heard <= 12 * SECOND &&
           world->wall - world->feed_wall <= 15 * SECOND && good->lived >= e->whole_after &&
           (e->named_after < 0 || good->lived >= e->named_after + 10 * SECOND);
}

int model_line(int version, enum kind kind)
{
    return kind != SFTP_KIND && version % 3 == 0;
}

/* For how long the answer lets persons in without another one. */
static int64_t fresh_for(const struct good *good)
{
    int64_t fresh = SECOND * world->settings.keys_fresh, bound = bound_of(good->version);

    return bound < fresh ? bound : fresh;
}

/* Why the answer must not let the login in; or NULL. */
static const char *fault_of(const struct good *good, const struct person_login *login)
{
    const struct environment *e = &world->environment[login->environment];
    /* When the question came: a thread may stand still before the daemon answers it. */
    bool fresh = good->came >= login->asked ||
                 (good->boots == world->boots ? login->asked - good->lived : age_of(good)) <=
                     fresh_for(good) + SECOND;
    int64_t since = e->named_after > e->whole_after ? e->named_after : e->whole_after;
    bool named = since > good->lived && login->asked > e->named;
    /* A login waits for a slow API where the feed has named the environment, but not for all. */
    bool is_slow = e->asked >= 0 && world->boot - e->asked >= SECOND;
    bool fails = e->failed || (is_slow && e->named_after <= good->lived);
    /* A daemon that was started since has the time that is on the disk. */
    bool is_read = good->incarnation != world->incarnations;
    int64_t wall = is_read ? good->kept_wall : good->wall;

    if (good->version == ABSENT)
        return "the environment does not exist";
    if (world->version[good->version].uid != login->uid)
        return "sshd has looked up another uid";
    if (has_own_ids(good->version) == NO)
        return "the ids are another environment's, or it has had others";
    /* An answer that was under way binds them again. */
    if (is_released(e) && (good->came < e->released || login->started < e->released))
        return "the ids were released since";
    if (fault_of_signature(good) != NULL)
        return fault_of_signature(good);
    if (model_judge(good->version, login->kind, login->key, login->address) == NO)
        return "the document does not let the person in";
    if (login->line != model_line(good->version, login->kind))
        return "the document permits other than the line";
    if (is_current(e, good) || (fresh && !named && !fails))
        return NULL;
    if (good->dead && !world->disk_failed) /* else the count of such starts may be lost */
        return "the clock was put back before the host started";
    if (!fails)
        return named ? "the feed has named it since" : "the API was not asked in keys_fresh";
    if (world->wall < wall - 3 * SECOND && !fresh && !(is_read && world->disk_failed))
        return "the clock stands before the last good answer";
    return age_of(good) > bound_of(good->version) + 2 * SECOND && !fresh ? "the bound is over"
                                                                         : NULL;
}

void model_granted(const struct person_login *login)
{
    struct environment *e = &world->environment[login->environment];
    const char *fault = "the API has said nothing";
    bool sure = true; /* by which ids */
    int by = -1;

    world->grants++;
    if (login->lined != world->incarnations)
        wrong("granted without a line for the key");
    if (!is_ours(login))
        wrong("granted, but the name is not allowed, or it or its ids are local");
    if (world->wall / SECOND - world->boot / SECOND > world->ends_by - world->ends_boot) {
        world->ends_by = world->wall / SECOND;
        world->ends_boot = world->boot / SECOND;
    }
    for (int i = 0; i < e->goods; i++) {
        const char *own = fault_of(&e->good[i], login);
        sure = sure && (own != NULL || by < 0 ||
                        world->version[by].gid == world->version[e->good[i].version].gid);
        by = own == NULL ? e->good[i].version : by;
        fault = by < 0 ? own : NULL;
    }
    if (fault != NULL)
        wrong("granted, but: %s", fault);
    if (sure)
        see_ids(e, by, true);
}

void model_offered(const struct person_login *login)
{
    const struct environment *e = &world->environment[login->environment];

    for (int i = 0; i < e->goods && is_ours(login); i++)
        if (e->good[i].version != ABSENT && is_valid(&e->good[i]) &&
            model_judge(e->good[i].version, login->kind, login->key, -1) != NO)
            return;
    wrong("sshd has a line that lets the key in, but no document does");
}

/* How many seconds ago the API has confirmed the document, or it was signed: at least, and at most.
 * A daemon that has read it from the disk has the time that is there. */
static struct span span_of(const struct good *good)
{
    bool is_read = good->incarnation != world->incarnations;
    int64_t lived = world->lived - good->lived, wall = world->wall - good->wall;
    int64_t least = good->boots == world->boots || lived < wall ? lived : wall;
    int64_t most = lived > wall ? lived : wall, slack = world->clock_set ? 3 : is_read ? 2 : 1;

    if (is_read && world->lived - good->kept > most)
        most = world->lived - good->kept;
    if (is_read && world->wall - good->kept_wall > most)
        most = world->wall - good->kept_wall;
    if (good->signers != 0 && good->version != ABSENT) {
        least = world->wall - SECOND * good->issued;
        most = signed_age(good);
    }
    least = least / SECOND - slack;
    most = most < 0 ? 0 : most / SECOND + slack;
    if (world->clock_set && good->boots != world->boots)
        least = 0; /* a clock that was put back just before the end was not seen */
    /* By a clock that was put back and forward it may be older; or as the disk has it. */
    if ((world->clock_set && (is_read || good->signers != 0)) || (is_read && world->disk_failed))
        most = INT64_MAX;
    return (struct span){good->version == ABSENT, least, most};
}

void model_origins(int environment, struct origins *out)
{
    const struct environment *e = &world->environment[environment];
    bool is_slow = e->asked >= 0 && world->boot - e->asked >= SECOND;

    *out = (struct origins){.api = !e->failed, .cache = e->failed || is_slow};
    if (e->unsure || !host_is_idle() || is_any_released()) /* it may have read the answer, or not */
        out->api = out->cache = true;
    for (int i = 0; i < e->goods; i++)
        if (is_valid(&e->good[i]))
            out->span[out->spans++] = span_of(&e->good[i]);
}

static bool has_role(const struct version *version, int person, const char *text)
{
    for (int i = 0; i < version->listed; i++) {
        const char *role = roles[version->person[i].role];
        if (version->person[i].person == person && strncmp(text, role, strlen(role)) == 0 &&
            text[strlen(role)] == ' ')
            return true;
    }
    return false;
}

bool model_is_person(const struct person_login *login, int person, const char *role)
{
    const struct environment *e = &world->environment[login->environment];
    const struct visit visit = {login->key, login->address, false, person};

    for (int i = 0; i < e->goods; i++)
        if (e->good[i].version != ABSENT && is_valid(&e->good[i]) &&
            has_role(&world->version[e->good[i].version], person, role) &&
            judge(e->good[i].version, login->kind, &visit) != NO)
            return true;
    return false;
}

/* The daemon has answered by that answer of the API, so no older one may come back. */
static void acknowledge(struct environment *e, int version)
{
    int last = e->goods - 1, end;

    while (last > 0 && e->good[last].version != version)
        last--;
    end = last;
    /* It may have answered by an earlier envelope of that version. */
    while (last > 0 && e->good[last - 1].version == version)
        last--;
    /* One that confirms a document with released ids is first read by a thread. */
    while (last < end && e->released == 0 && is_same(&e->good[last], &e->good[last + 1]))
        last++;
    if (last <= 0 || e->stuck || e->good[last].incarnation != world->incarnations)
        return;
    e->goods -= last;
    memmove(e->good, e->good + last, (size_t)e->goods * sizeof *e->good);
}

void model_looked(const struct person_login *login, int version, uint32_t uid, uint32_t gid)
{
    struct environment *e = &world->environment[login->environment];
    bool known = version == UNAVAILABLE;

    for (int i = 0; i < e->goods; i++)
        known = known || (e->good[i].version == version && is_valid(&e->good[i]) &&
                          (version == ABSENT || !is_refused(e, &e->good[i])));
    if (version >= 0 && !is_ours(login))
        wrong("a name is answered that is not allowed, or that is local or has local ids");
    /* It is read: its age does not shrink from now on. */
    if (e->goods == 1 && version >= 0 && !world->stepped)
        e->good[0].since = world->lived - age_of(&e->good[0]);
    if (!known && version == ABSENT)
        wrong("an account is absent that is not");
    if (!known)
        wrong("an account is as version %d has it", version);
    if (version >= 0 && (uid != world->version[version].uid || gid != world->version[version].gid))
        wrong("an account has uid %u and gid %u", uid, gid);
    if (version >= 0)
        see_ids(e, version, false);
    acknowledge(e, version);
}

void model_published(int environment, uint32_t uid)
{
    const struct environment *e = &world->environment[environment];
    bool known = false;

    for (int i = 0; i < e->goods; i++)
        known = known ||
                (e->good[i].version != ABSENT && is_valid(&e->good[i]) &&
                 world->version[e->good[i].version].hosts < 2 &&
                 world->version[e->good[i].version].uid == uid &&
                 (has_own_ids(e->good[i].version) != NO || e->released > 0 || e->binding != BOUND));
    /* What `allow` lists each process looks up by itself. */
    if (is_unusable(e) && !is_foreign(e) && world->lived - e->local_until > 5 * SECOND)
        wrong("%s is published, but its name or ids are local", e->plain);
    if (!known)
        wrong("%s is published with uid %u, but does not exist, or not so", e->plain, uid);
}

/* Whether the answer must let the login in. */
static bool must_enter(const struct good *good, const struct person_login *login)
{
    const struct environment *e = &world->environment[login->environment];
    struct good stored = *good;

    if (is_unserved(e, login->kind) || (e->local_until > 0 && good->came <= e->local_until) ||
        good->version == ABSENT || good->dead || world->disk_failed || world->clock_set ||
        (login->stage > 0 && world->version[good->version].uid != login->uid) ||
        !has_sure_ids(e, good->version) || (e->rebound > 0 && login->started <= e->rebound) ||
        is_leaving(login->environment) ||
        (login->stage >= 3 && login->lined != world->incarnations) ||
        (login->stage == 3 && login->line != model_line(good->version, login->kind)) ||
        (login->stage >= 4 &&
         (login->granted != world->incarnations || login->run_failures != world->run_failures)))
        return false;
    /* A daemon that was started since has the time that is on the disk: a confirmation is stored
     * once a minute, and not before lookups are answered by it. */
    if (good->incarnation != world->incarnations) {
        stored.lived = good->kept;
        stored.wall = good->kept_wall;
    }
    if (age_of(&stored) > bound_of(good->version) - 3 * SECOND ||
        (good->signers != 0 && signed_age(good) > bound_of(good->version) - 3 * SECOND))
        return false;
    const struct visit visit = {login->key, login->stage < 3 ? -1 : login->address, false,
                                login->stage < 4 ? -1 : login->person};
    return judge(good->version, login->kind, &visit) == YES;
}

void model_refused(const struct person_login *login, const char *reason, bool unavailable)
{
    struct environment *e = &world->environment[login->environment];

    world->refusals++;
    if (strcmp(reason, "environment-absent") == 0) {
        bool known = false;
        for (int i = 0; i < e->goods; i++)
            known = known || (e->good[i].version == ABSENT && is_valid(&e->good[i]));
        if (!known)
            wrong("refused as absent, but the environment is not");
        acknowledge(e, ABSENT);
    }
    if (only(e) != NULL && must_enter(&e->good[0], login))
        wrong("refused (%s%s), but version %d lets the person in", reason,
              unavailable ? ", unavailable" : "", e->good[0].version);
}

void model_opened(const struct person_login *login)
{
    if (login->run_failures != world->run_failures)
        wrong("a session opens, but its file could not be written");
    if (!disk_has_session(login->pid))
        wrong("a session opens of which /run has no file");
    if (world->environment[login->environment].local[login->kind])
        wrong("a session opens under a local name");
    if (is_offer_let(login->key) == NO || is_person_let(login->environment, login->person) == NO)
        wrong("a session opens that an operator has denied");
}

void model_sessions(void)
{
    const struct order *order = &world->order;

    if (!order->deny || order->done == 0 || world->lived - order->done < 5 * SECOND ||
        world->settings.session_recheck == 0 || not_denied(&world->denied[order->subject]) != NO)
        return;
    for (int i = 0; i < world->sessions; i++) {
        const struct open_session *session = &world->session[i];
        if (session->used && !session->ended && session->lived < order->done &&
            (is_subject_of(order->subject, session->key) ||
             order->subject == NAMES + session->person || order->subject == IDS + session->person ||
             order->subject == WHOLES + session->environment))
            wrong("session %d is open, but an operator has denied it", i);
    }
}

/* Whether the session has certainly lasted as long as the version lets it; or may have, by a clock
 * in seconds that begins with its sshd process. */
static bool is_over(const struct open_session *session, int version, bool perhaps)
{
    int64_t most = SECOND * world->version[version].max_seconds;
    int64_t lasted = perhaps ? world->boot - session->began + 2 * SECOND
                             : world->lived - session->lived - 2 * SECOND;

    return most > 0 && lasted >= most;
}

/* Whether one of the rights of the person has ended: the session may have been that right's, also
 * where another one goes on. */
static bool has_ended_right(const struct version *version, int person)
{
    int64_t wall = world->wall / SECOND;

    for (int i = 0; i < version->listed; i++) {
        const struct listed *listed = &version->person[i];
        if (listed->person != person)
            continue;
        for (int k = 0; k < listed->keys; k++)
            if (listed->key[k].right.expires_at > 0 && listed->key[k].right.expires_at <= wall + 1)
                return true;
        if (listed->right.expires_at > 0 && listed->right.expires_at <= wall + 1)
            return true;
    }
    return false;
}

/* Whether the session may have lasted as long as the last good document lets it, or an earlier one:
 * that one's max_seconds holds until the next recheck. */
static bool may_be_over(const struct open_session *session)
{
    const struct good *good = &world->environment[session->environment].good[0];
    /* A daemon that was started since has the one that is in /run. */
    bool rechecked = world->lived - good->came > SECOND * (world->settings.session_recheck + 10) &&
                     world->run_failures == 0;

    for (int v = 0; v < good->version && !rechecked; v++)
        if (world->version[v].environment == session->environment && is_over(session, v, true))
            return true;
    return is_over(session, good->version, true);
}

void model_ending(const struct open_session *session)
{
    const struct environment *e = &world->environment[session->environment];
    const struct visit visit = {session->key, session->address, true, session->person};

    if (only(e) != NULL && e->good[0].version != ABSENT && !world->clock_set &&
        !world->disk_failed && !is_unserved(e, session->kind) &&
        world->lived - e->good[0].came > 10 * SECOND && !may_be_over(session) &&
        !has_ended_right(&world->version[e->good[0].version], session->person) &&
        judge(e->good[0].version, session->kind, &visit) == YES)
        wrong("a session is ended that version %d lets stay", e->good[0].version);
}

void model_rest(void)
{
    for (int i = 0; i < world->sessions; i++) {
        const struct open_session *session = &world->session[i];
        const struct environment *e = &world->environment[session->environment];
        if (!session->used || session->ended)
            continue;
        if (is_unserved(e, session->kind))
            wrong("session %d is open, but its name is not allowed, or local", i);
        /* By a signed document that a clock makes too old nobody is judged, nor by one with ids
         * that are not its own. */
        if (only(e) == NULL || (is_any_released() && !has_sure_ids(e, e->good[0].version)) ||
            (e->good[0].signers != 0 && world->clock_set))
            continue;
        /* The daemon has heard since of a document that it may not use: that is an outage, in which
         * an absence is forgotten, and a document whose bound is over, or that is from the future
         * by a clock that was put back, judges no session. */
        if (e->failed && (e->good[0].version == ABSENT || world->wall < e->good[0].wall ||
                          age_of(&e->good[0]) > bound_of(e->good[0].version) - 3 * SECOND))
            continue;
        /* An answer that has just come is judged at the next recheck. */
        if (world->lived - e->good[0].came < SECOND * (world->settings.session_recheck + 2))
            continue;
        if (e->good[0].version == ABSENT || is_over(session, e->good[0].version, false) ||
            judge(e->good[0].version, session->kind,
                  &(const struct visit){session->key, session->address, true, session->person}) ==
                NO)
            wrong("session %d is open, but version %d does not let the person in", i,
                  e->good[0].version);
    }
}
