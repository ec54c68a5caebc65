#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Real applications with real tests (examples/), pruned: all tests pass on the first try, and what no test asked for works, too.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/scan-lib.sh"
. "$SRC/tests/tools/registry.sh"

is_root || skip_all 'needs root, to be two users'
debian=$(test_base debian) || skip_all 'no Debian base'
export HOME=$T
common=(--build-context "debian=oci-layout://$debian")
trivy=$("$SRC/tests/tools/fetch_tools.sh" trivy) || { echo 'Bail out! no other scanner'; exit 1; }

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])'
}

# pruned NAME PERCENT
pruned() {
	local name=$1 percent=$2 before after

	run "$WHITTLE" build --root "$T/store" "${common[@]}" -t "$name" -o "type=oci,dest=$name,tar=false" "$SRC/examples/$name"
	is "$status" 0 "$name: built and pruned, all tests pass"
	[ "$status" = 0 ] || { show "$err"; return 1; }
	nok "$name: PRUNE keeps no path by hand" grep -qE '^PRUNE.*--keep' "$SRC/examples/$name/Dockerfile"
	unlike "$err" 'repair [0-9]' "$name: nothing had to be put back"
	like "$out" '^  shells +[1-9][0-9]* +0 ' "$name: no shell is left"
	like "$out" '^  set-id files +[0-9]+ +0 ' "$name: no set-id file is left"
	before=$(sed -n 's/^  bytes  *\([0-9.]*\) MB .*/\1/p' <<<"$out")
	after=$(sed -n 's/^  bytes  *[0-9.]* MB  *\([0-9.]*\) MB .*/\1/p' <<<"$out")
	is "$(awk -v a="$after" -v b="$before" -v p="$percent" 'BEGIN { print (b > 0 && a * 100 <= b * p) }')" 1 \
		"$name: at most $percent % of the bytes ($after of $before MB)"
	same_packages "$name" "$name" "$T/store"
}

# up NAME PORT [OPTION…]: runs the pruned image; its PORT is $port
up() {
	local name=$1 inner=$2

	shift 2
	port=$(free_port)
	timeout -k 10 120 "$WHITTLE" run --root "$T/store" -p "$port:$inner" "$@" "$name" >"$name.log" 2>&1 </dev/null &
	job=$!
	on_exit "kill $job 2>/dev/null"
}

down() {
	kill "$job" 2>/dev/null
	wait "$job" 2>/dev/null
}

get() { # PATH [OPTION…]
	curl -s --max-time 60 --retry 100 --retry-connrefused --retry-all-errors --retry-delay 0 --retry-max-time 30 "${@:2}" "http://127.0.0.1:$port$1"
}

# ---- a database server ----

if pruned postgresql 45; then
	single() {
		timeout -k 10 60 "$WHITTLE" run --root "$T/store" -i postgresql postgres --single -D /data postgres 2>&1
	}
	like "$(echo "select 'a=>1'::text; create extension hstore; select (hstore('a', '7') -> 'a')::text as got" | single)" 'got = "7"' \
		'postgresql: an extension that no test created'
	unlike "$(echo 'create database other template template0' | single)" 'ERROR|PANIC|FATAL' 'postgresql: a database from a template that no test used'
	like "$(echo "select to_tsvector('german', 'Die Katzen laufen')::text as got" | single)" "got = .*katz" 'postgresql: text search in a language of no test'
	like "$(echo "select (timestamptz '2024-07-01 12:00Z' at time zone 'Asia/Kolkata')::text as got" | single)" 'got = "2024-07-01 17:30:00"' \
		'postgresql: a time zone of no test'
	like "$(echo "select convert_from('\\xe4'::bytea, 'LATIN1')::text as got" | single)" 'got = "ä"' 'postgresql: an encoding of no test'
	like "$(echo "select count(*) > 5 as got from pg_timezone_abbrevs" | single)" 'got = "t"' 'postgresql: abbreviations of time zones'
fi

# ---- PHP ----

if pruned php-fpm 45; then
	up php-fpm 9000
	php() {
		timeout 60 python3 "$SRC/tests/tools/fcgi_get.py" "$port" /srv/site/index.php "$@"
	}
	like "$(php GET '/money?locale=ja_JP')" '1,23' 'php-fpm: a locale of no test'
	like "$(php GET '/time?zone=Asia/Kathmandu')" '17:45' 'php-fpm: a time zone of no test'
	like "$(php POST / 'name=&text=x')" '<h1>Trouble</h1>' 'php-fpm: an error, whose page no test saw'
	like "$(php GET /entries.xml)" '<book' 'php-fpm: and it goes on'
	down
fi

# ---- a command-line tool ----

if pruned command-line 50; then
	mkdir work
	chmod 777 work
	convert() {
		timeout -k 10 60 "$WHITTLE" run --root "$T/store" -v "$T/work:/work" command-line "$@" 2>&1
	}
	convert -size 20x10 xc:red a.png >/dev/null
	for format in tiff bmp ppm pcx tga miff ico sgi; do
		is "$(convert a.png "a.$format" && convert "a.$format" -print '%wx%h\n' null:)" 20x10 "command-line: a format of no test: $format"
	done
	is "$(convert a.png -colorspace CMYK -sharpen 0x1 -quality 10 a.jpg && convert a.jpg -print '%wx%h %[colorspace]\n' null:)" '20x10 CMYK' \
		'command-line: options of no test'
fi

# ---- Python ----

if pruned flask-service 30; then
	up flask-service 8000
	like "$(get /report.csv)" 'median' 'flask-service: a page of no test, which imports what no test did'
	like "$(get /when/Pacific/Auckland)" '2024-07-02T00:00:00' 'flask-service: a time zone of no test'
	like "$(get /when/No/Where)" 'Internal Server Error' 'flask-service: an error'
	like "$(cat flask-service.log)" "No time zone found with key No/Where" 'flask-service: with its traceback in the log'
	down
	# With the user's own store.
	cp -r "$SRC/examples/flask-service" "$UT/flask"
	chown -R "$TEST_USER:" "$UT/flask"
	run as_user "$WHITTLE" build --root "$UT/store" "${common[@]}" "$UT/flask"
	is "$status" 0 'flask-service: as an ordinary user'
	[ "$status" = 0 ] || show "$err"
fi

# ---- Node: libnode and its Unicode data alone are 30 % of the image ----

if pruned node-service 40; then
	up node-service 3000
	like "$(get /digest)" '^[0-9a-f]{64}$' 'node-service: a page of no test, which loads what no test did'
	like "$(get '/when?zone=Asia/Tokyo&locale=ja')" '2024年7月1日' 'node-service: a locale and a time zone of no test'
	like "$(get /notes -X POST -H 'Content-Type: application/json; charset=utf-16' -d '{}')" 'error' 'node-service: a charset of no test'
	like "$(get /notes -X POST -H 'Content-Type: application/json' -d '{"text":"x"}' -H 'Content-Encoding: br')" 'error' 'node-service: an encoding of no test'
	down
fi

# ---- Java ----

if pruned java-service 65; then
	up java-service 8080
	is "$(get '/charset?name=windows-1252' | od -An -tx1 | tr -d ' \n')" 4772fcdf65 'java-service: a charset of no test'
	is "$(get /roots)" some 'java-service: certificates that no test looked at'
	is "$(get '/picture?format=png' | file -b - | cut -d, -f1,2)" 'PNG image data, 20 x 10' 'java-service: a picture that no test drew'
	like "$(get '/picture?format=jpg' | file -b -)" 'JPEG image data' 'java-service: and in another format'
	is "$(get /packed -d 'some text' | gzip -dc)" 'some text' 'java-service: a class of no test'
	is "$(get '/digest?how=MD5' -d abc)" 900150983cd24fb0d6963f7d28e17f72 'java-service: an algorithm of no test'
	like "$(get '/when?zone=America/Sao_Paulo&lang=pt')" 'segunda-feira 09:00 -03:00' 'java-service: a language of no test'
	down
fi

done_testing
