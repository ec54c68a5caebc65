# SPDX-License-Identifier: Apache-2.0
# Manual pages and the completion for bash: what the program says of itself (cli/manual.c). tests/prog/manual.t checks that no command is missing.
manual_pages = manual/whittle.1
manual_pages += \
	manual/whittle-build.1 manual/whittle-check.1 manual/whittle-db.1 manual/whittle-debug.1 manual/whittle-diff.1 manual/whittle-doctor.1 \
	manual/whittle-du.1 manual/whittle-explain.1 manual/whittle-gc.1 manual/whittle-help.1 manual/whittle-history.1 \
	manual/whittle-images.1 manual/whittle-inspect.1 manual/whittle-keygen.1 manual/whittle-load.1 manual/whittle-login.1 \
	manual/whittle-logout.1 manual/whittle-profile.1 manual/whittle-prune.1 manual/whittle-pull.1 manual/whittle-push.1 manual/whittle-restore.1 manual/whittle-rm.1 manual/whittle-run.1 \
	manual/whittle-save.1 manual/whittle-sbom.1 manual/whittle-scan.1 manual/whittle-sign.1 manual/whittle-tag.1 \
	manual/whittle-verify.1 manual/whittle-version.1

if MANUAL
nodist_man1_MANS = $(manual_pages)
bashcompletiondir = $(datadir)/bash-completion/completions
nodist_bashcompletion_DATA = manual/completion/whittle

# All at once, and whole or not at all.
manual/stamp: whittle$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) manual && rm -f manual/stamp && for page in $(manual_pages); do \
		command=`expr "$$page" : 'manual/whittle-\(.*\)\.1$$'`; \
		SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$(RELEASE_EPOCH)} ./whittle$(EXEEXT) help --man $$command > $$page.new && \
		mv $$page.new $$page || exit 1; \
	done && : > manual/stamp
$(manual_pages): manual/stamp
manual/completion/whittle: whittle$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) manual/completion && ./whittle$(EXEEXT) help --completion=bash > $@.new && mv $@.new $@
CLEANFILES += $(manual_pages) manual/stamp manual/completion/whittle
endif
