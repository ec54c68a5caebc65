#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What base/banned.h forbids does not compile; foreign headers and members of the same name do.
set -u

src=${WH_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0

compile() { # OPTIONS…: the program on standard input, the compiler's words on standard output
	${WH_CC:-cc} -std=gnu17 -D_GNU_SOURCE -include "$src/base/banned.h" "$@" -x c -c -o "$dir/out.o" - 2>&1
}

result() { # CODE DESC TEXT
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		printf '%s\n' "$3" | head -n 20 | sed 's/^/# /'
	fi
}

for options in -O0 '-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2'; do
	# shellcheck disable=SC2086
	while IFS='|' read -r name body; do
		seen=$(compile $options <<-EOC
			#include <stdio.h>
			#include <stdlib.h>
			#include <string.h>
			#include <unistd.h>
			#include <fcntl.h>
			#include <stdarg.h>
			long f(char *p, va_list ap);
			long f(char *p, va_list ap)
			{
				(void)ap;
				$body
			}
		EOC
		)
		[ $? != 0 ] && grep -q "$name.*unavailable" <<<"$seen"
		# shellcheck disable=SC2181
		result $? "$name ($options)" "$seen"
	done <<-'TABLE'
		strcpy|return *strcpy(p, "x");
		strcat|return *strcat(p, "x");
		sprintf|return sprintf(p, "%d", 1);
		vsprintf|return vsprintf(p, "x", ap);
		strtok|return *strtok(p, "x");
		atoi|return atoi(p);
		atol|return atol(p);
		atoll|return atoll(p);
		gets|return *gets(p);
		dup|return dup(1);
		system|return system(p);
		popen|return popen(p, "r") != 0;
		tmpnam|return *tmpnam(p);
		mktemp|return *mktemp(p);
		open|return open(p, O_RDONLY);
		creat|return creat(p, 0600);
		strcpy|char *(*g)(char *, const char *) = strcpy; return *g(p, "x");
	TABLE

	# shellcheck disable=SC2086
	seen=$(compile $options -Wall -Wextra -Wshadow -Werror <<-'EOC'
		#include <archive.h>
		#include <archive_entry.h>
		#include <dirent.h>
		#include <jansson.h>
		#include <openssl/evp.h>
		#include <openssl/pem.h>
		#include <seccomp.h>
		#include <sqlite3.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		#include <sys/mount.h>
		#include <sys/xattr.h>
		#include <uthash.h>
		#include <utlist.h>
		#include <zlib.h>
		#include <zstd.h>
		struct ops {
			int (*open)(const char *, int, ...);
			int (*dup)(int);
		};
		int f(const struct ops *o);
		int f(const struct ops *o)
		{
			char b[8];

			snprintf(b, sizeof(b), "%d", 1);
			return o->open("x", 0) + o->dup(dup2(1, 2)) + strcmp(b, "1");
		}
	EOC
	)
	result $? "foreign headers and members ($options)" "$seen"
done

echo "1..$n"
