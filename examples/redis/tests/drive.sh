#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The tests of the redis example, as TAP: run beside it, on the same loopback.
set -eu
n=0

passed() {
	n=$((n + 1))
	echo "ok $n - $*"
}

# is WANT WORD…: redis-cli WORD… prints WANT
is() {
	want=$1
	shift
	got=$(redis-cli "$@")
	if [ "$got" != "$want" ]; then
		echo "not ok $((n + 1)) - redis-cli $*: \"$got\" instead of \"$want\""
		exit 1
	fi
	passed "redis-cli $*"
}

up() {
	tries=0
	until [ "$(redis-cli ping 2>/dev/null)" = PONG ]; do
		tries=$((tries + 1))
		[ "$tries" -lt 100 ] || { echo "redis does not come back" >&2; exit 1; }
		sleep 0.1
	done
}

is PONG ping
is OK set greeting hello
is hello get greeting
is 3 rpush list a b c
is 2 sadd set x y
is 1 hset hash field value
is 2 zadd ranks 1 one 2 two
is two zrevrange ranks 0 0
is 5 eval 'return tonumber(redis.call("rpush", KEYS[1], "d", "e"))' 1 list
is OK set short lived ex 100
is 100 ttl short
is 1 pfadd visitors someone
# What the server does in the background has ended.
settle() {
	tries=0
	while redis-cli info persistence | grep -Eq '(rdb_bgsave_in_progress|aof_rewrite_in_progress|aof_rewrite_scheduled):1'; do
		tries=$((tries + 1))
		[ "$tries" -lt 100 ] || { echo "not ok $((n + 1)) - it does not end"; exit 1; }
		sleep 0.1
	done
}

is OK save
is 'Background saving started' bgsave
settle
redis-cli bgrewriteaof | grep -q 'append only file rewriting'
settle
passed 'an append only file is written anew'
redis-cli info server | grep -q '^redis_version:'
passed 'it tells its version'
is OK config set maxmemory 50mb
is OK acl setuser reader on '>secret' '~*' '+@read'
is hello --user reader --pass secret --no-auth-warning get greeting
redis-cli -h ::1 ping >/dev/null
passed 'by IPv6'

# What was written survives a restart.
/run/whittle/app restart
up
is hello get greeting
is 5 llen list
/run/whittle/app exec redis-cli ping >/dev/null
passed 'its own client, in its container'
echo "1..$n"
