-- Made; and filled.
CREATE TABLE t (n INT);
INSERT INTO t VALUES (:n);
