-- SPDX-License-Identifier: Apache-2.0
-- The tables of api.py. A platform has its own; what matters is the change log below.
PRAGMA journal_mode = WAL;

CREATE TABLE IF NOT EXISTS environment (
    project TEXT, name TEXT,
    document TEXT NOT NULL, -- the access document (docs/api.md) without its users
    PRIMARY KEY (project, name));

CREATE TABLE IF NOT EXISTS person (id TEXT PRIMARY KEY, username TEXT NOT NULL UNIQUE, mail TEXT);

CREATE TABLE IF NOT EXISTS member (
    project TEXT, name TEXT, person TEXT, role TEXT NOT NULL,
    rest TEXT NOT NULL, -- JSON: the other members of users[], such as expires_at
    PRIMARY KEY (project, name, person));

CREATE TABLE IF NOT EXISTS ssh_key (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    person TEXT NOT NULL, title TEXT NOT NULL,
    value TEXT NOT NULL, -- "TYPE BASE64"
    rest TEXT NOT NULL DEFAULT '{}', -- JSON: the other members of ssh_keys[], such as from
    UNIQUE (person, value));

-- One statement reads a document, so all of it is of one moment.
CREATE VIEW IF NOT EXISTS people AS
    SELECT *, (SELECT json_group_array(json_patch(json_object('key_id', id, 'title', title, 'value', value), rest))
               FROM (SELECT * FROM ssh_key WHERE person = person.id ORDER BY id)) AS ssh_keys
    FROM person;
CREATE VIEW IF NOT EXISTS access AS
    SELECT project, name, json_set(document, '$.users', (
        SELECT json_group_array(json_patch(json_object('id', id, 'username', username, 'mail', mail, 'role', role,
                                                       'ssh_keys', json(ssh_keys)), rest))
        FROM member JOIN people ON id = person
        WHERE (project, name) = (environment.project, environment.name))) AS document
    FROM environment;

CREATE TABLE IF NOT EXISTS host (name TEXT PRIMARY KEY, secret TEXT NOT NULL); -- SHA-256 of it

-- Links and codes, which work once; sessions of people, and of hosts.
CREATE TABLE IF NOT EXISTS pass (
    hash TEXT PRIMARY KEY, -- SHA-256: who reads the database cannot use it
    kind TEXT NOT NULL, owner TEXT NOT NULL, expires REAL NOT NULL);

-- The change log that the feed reads. Triggers write it in the transaction of the change itself, whichever program
-- makes it: no change is lost, and none is named before the document shows it. SQLite has one writer at a time, so the
-- numbers are committed in order; a sequence of other databases is not, and a feed that reads it by number loses some.
CREATE TABLE IF NOT EXISTS change (id INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, name TEXT NOT NULL);
CREATE VIEW IF NOT EXISTS bounds AS
    SELECT ifnull(min(id), 1) AS oldest, ifnull(max(id), 0) AS head FROM change;
CREATE TRIGGER IF NOT EXISTS change_bound AFTER INSERT ON change WHEN new.id % 1000 = 0 BEGIN
    DELETE FROM change WHERE id <= new.id - 10000; END;
CREATE TRIGGER IF NOT EXISTS environment_new AFTER INSERT ON environment BEGIN
    INSERT INTO change (project, name) VALUES (new.project, new.name); END;
CREATE TRIGGER IF NOT EXISTS environment_set AFTER UPDATE ON environment BEGIN
    INSERT INTO change (project, name) VALUES (new.project, new.name); END;
CREATE TRIGGER IF NOT EXISTS environment_gone AFTER DELETE ON environment BEGIN
    INSERT INTO change (project, name) VALUES (old.project, old.name); END;
CREATE TRIGGER IF NOT EXISTS member_new AFTER INSERT ON member BEGIN
    INSERT INTO change (project, name) VALUES (new.project, new.name); END;
CREATE TRIGGER IF NOT EXISTS member_set AFTER UPDATE ON member BEGIN
    INSERT INTO change (project, name) VALUES (new.project, new.name); END;
CREATE TRIGGER IF NOT EXISTS member_gone AFTER DELETE ON member BEGIN
    INSERT INTO change (project, name) VALUES (old.project, old.name); END;
CREATE TRIGGER IF NOT EXISTS person_set AFTER UPDATE ON person BEGIN
    INSERT INTO change (project, name) SELECT project, name FROM member WHERE person = new.id; END;
CREATE TRIGGER IF NOT EXISTS key_new AFTER INSERT ON ssh_key BEGIN
    INSERT INTO change (project, name) SELECT project, name FROM member WHERE person = new.person; END;
CREATE TRIGGER IF NOT EXISTS key_set AFTER UPDATE ON ssh_key BEGIN
    INSERT INTO change (project, name) SELECT project, name FROM member WHERE person = new.person; END;
CREATE TRIGGER IF NOT EXISTS key_gone AFTER DELETE ON ssh_key BEGIN
    INSERT INTO change (project, name) SELECT project, name FROM member WHERE person = old.person; END;
CREATE TRIGGER IF NOT EXISTS person_gone AFTER DELETE ON person BEGIN
    DELETE FROM pass WHERE kind <> 'host' AND owner = old.id; DELETE FROM member WHERE person = old.id;
    DELETE FROM ssh_key WHERE person = old.id; END;
CREATE TRIGGER IF NOT EXISTS host_gone AFTER DELETE ON host BEGIN
    DELETE FROM pass WHERE kind = 'host' AND owner = old.name; END;
