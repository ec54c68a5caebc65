#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a user of the database does, as TAP.
export PGHOST=127.0.0.1 PGUSER=postgres PGDATABASE=shop PGOPTIONS='-c client_min_messages=warning'
n=0 bad=0

# is NAME WANT GOT
is() {
	n=$((n + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $n - $1"
	else
		bad=1
		echo "not ok $n - $1"
		printf '# expected: %s\n# got: %s\n' "$2" "$3"
	fi
}

sql() {
	psql -X -q -t -A -v ON_ERROR_STOP=1 "$@" 2>&1
}

# The server may still be starting, or come up again.
up() {
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
		pg_isready -q -d postgres && return 0
		sleep 0.5
	done
	return 1
}

up
is 'a database is made' '' "$(sql -d postgres -c 'create database shop')"
is 'tables, keys, indexes' '' "$(sql <<'SQL'
create table customer (id serial primary key, name text not null unique, since date not null default current_date);
create table orders (id bigserial primary key, customer int not null references customer, total numeric(10, 2) check (total >= 0),
	placed timestamptz not null default now(), lines jsonb);
create index on orders (customer, placed);
create index on orders using gin (lines);
create view spent as select c.name, sum(o.total) as total from customer c join orders o on o.customer = c.id group by 1;
SQL
)"
is 'rows' '3|59998.00' "$(sql <<'SQL'
insert into customer (name) values ('ada'), ('bob'), ('cem');
insert into orders (customer, total, lines)
	select 1 + i % 3, i % 7, jsonb_build_object('sku', 'a' || i % 50, 'n', i) from generate_series(1, 20000) i;
analyze;
select count(*), (select sum(total) from orders)::numeric(10, 2) from spent;
SQL
)"
is 'an index is used' 't' "$(sql -c 'explain select * from orders where id = 77' | grep -q 'Index Scan' && echo t)"
is 'joins, windows, a recursive query' '120|ada' "$(sql <<'SQL'
with recursive f(i, n) as (select 1, 1 union all select i + 1, n * (i + 1) from f where i < 5)
select max(n), (select name from (select name, rank() over (order by name) r from customer) x where r = 1) from f;
SQL
)"
is 'jsonb is searched' '400' "$(sql <<'SQL'
select count(*) from orders where lines @> '{"sku": "a7"}';
SQL
)"
is 'a transaction is rolled back' '3' "$(sql -c "begin; insert into customer (name) values ('dot'); rollback" -c 'select count(*) from customer')"
is 'a constraint holds' '1' "$(sql -c 'insert into orders (customer, total) values (1, -1)' | grep -c 'violates check constraint')"
is 'text search' '1' "$(sql -c "select count(*) from (values ('the quick foxes jumped'), ('no')) t(x) where to_tsvector(x) @@ to_tsquery('fox & jump')")"
is 'time zones' '2024-07-01 14:00:00|2024-01-01 07:00:00' "$(sql <<'SQL'
select timestamptz '2024-07-01 12:00Z' at time zone 'Europe/Berlin', timestamptz '2024-01-01 12:00Z' at time zone 'America/New_York';
SQL
)"
is 'a function in PL/pgSQL' '55' "$(sql <<'SQL'
create function fib(n int) returns int language plpgsql as $$
declare a int := 0; b int := 1; t int;
begin for i in 1..n loop t := a + b; a := b; b := t; end loop; return a; end $$;
select fib(10);
SQL
)"
is 'a trigger' '1' "$(sql <<'SQL'
create table log (what text);
create function note() returns trigger language plpgsql as $$ begin insert into log values (tg_op); return new; end $$;
create trigger t after update on customer for each row execute function note();
update customer set name = 'eve' where name = 'cem';
select count(*) from log;
SQL
)"
is 'an extension' '0.6' "$(sql -c 'create extension pg_trgm' -c "select round(similarity('word', 'words')::numeric, 1)")"
is 'COPY out and in' '20000' "$(sql -c '\copy orders to /tmp/orders' -c 'create table again (like orders)' -c '\copy again from /tmp/orders' -c 'select count(*) from again')"
is 'roles, and a password over the socket' '1' "$(sql -c "create role reader login password 'secret'" -c 'grant select on customer to reader' \
	-c 'set role reader' -c 'insert into customer (name) values ($$x$$)' | grep -c 'permission denied')"
for i in 1 2 3 4 5 6 7 8; do
	sql -c "insert into log select 'client $i' from generate_series(1, 500)" >/dev/null &
done
wait
is 'eight clients at once' '4000' "$(sql -c "select count(*) from log where what like 'client %'")"
is 'vacuum' '' "$(sql -c 'delete from log' -c 'vacuum full log' -c 'reindex table orders')"
is 'a dump is restored' '3' "$(pg_dump shop >/tmp/dump && createdb copy && sql -d copy -f /tmp/dump >/dev/null && sql -d copy -c 'select count(*) from customer')"
/run/whittle/app restart || exit 1
up
is 'all is there after a restart' '3|20000' "$(sql -c 'select (select count(*) from customer), (select count(*) from orders)')"
sql -c "insert into customer (name) values ('last')" >/dev/null
/run/whittle/app kill KILL
/run/whittle/app start || exit 1
up
is 'and after a crash' '4' "$(sql -c 'select count(*) from customer')"
echo "1..$n"
exit $bad
