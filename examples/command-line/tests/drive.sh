#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Pictures in and out, as TAP. /work is shared with the tool.
n=0 bad=0

# like NAME ERE TEXT
like() {
	n=$((n + 1))
	if printf '%s\n' "$3" | grep -Eq -- "$2"; then
		echo "ok $n - $1"
	else
		bad=1
		echo "not ok $n - $1"
		printf '# got: %s\n' "$3"
	fi
}

convert() {
	/run/whittle/app run "$@" 2>&1
}

cd /work || exit 1
like 'its version' '^Version: ImageMagick 6' "$(convert -version)"
convert -size 200x100 gradient:red-blue plain.png
like 'a picture from nothing' 'PNG image data, 200 x 100' "$(file plain.png)"
convert plain.png -resize 50% small.jpg
like 'smaller, as JPEG' 'JPEG image data.*100x50' "$(file small.jpg)"
convert -size 300x80 xc:white -font DejaVu-Sans -pointsize 40 -fill black -gravity center -annotate 0 'Grüße' text.png
like 'text in it' 'PNG image data, 300 x 80' "$(file text.png)"
convert text.png -rotate 90 -blur 0x2 -colorspace Gray turned.gif
like 'turned, blurred, gray, as GIF' 'GIF image data.*80 x 300' "$(file turned.gif)"
convert plain.png text.png -append -quality 80 both.webp
like 'two of them, as WebP' 'Web/P' "$(file both.webp)"
like 'what it is' '^plain.png PNG 200x100' "$(convert plain.png -print '%i %m %wx%h\n' null:)"
like 'a file that is not there' 'unable to open image' "$(convert none.png out.png)"
echo "1..$n"
exit $bad
