# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += sandbox/libsandbox.a
sandbox_libsandbox_a_SOURCES = \
	sandbox/app_blob.c sandbox/app_close.c sandbox/app_protocol.h sandbox/app_request.c \
	sandbox/binds.c sandbox/caps.c sandbox/chroot.c sandbox/chroot.h sandbox/chroot_dev.c sandbox/confine.c sandbox/console.c sandbox/console.h sandbox/dev.c sandbox/doctor.c sandbox/doctor.h sandbox/exec.c sandbox/foreign.c sandbox/foreign.h sandbox/guard.c sandbox/guard.h sandbox/guests.c sandbox/guests.h sandbox/host.c sandbox/idmap.c sandbox/idmap.h \
	sandbox/inner.c sandbox/inner.h sandbox/join.c sandbox/join.h sandbox/landlock.c sandbox/launcher.c sandbox/mount.c sandbox/mount.h \
	sandbox/net.c sandbox/net.h sandbox/netns.c sandbox/outer.c sandbox/overlay.c sandbox/ports.c sandbox/init_blob.c sandbox/procfs.c sandbox/report.c \
	sandbox/report.h sandbox/rootfs.c sandbox/rootfs.h sandbox/sandbox.h sandbox/seccomp.c sandbox/seccomp.h \
	sandbox/seccomp_table.c sandbox/service.c sandbox/service.h sandbox/spec.c sandbox/spec.h sandbox/step.c sandbox/step.h sandbox/stubs.c \
	sandbox/stubs.h sandbox/observer.h sandbox/observer_call.c sandbox/observer_exec.c sandbox/observer_log.c sandbox/observer_caps.c sandbox/observer_caps.h sandbox/observer_creds.c sandbox/observer_net.c \
	sandbox/observer_path.c sandbox/observer_task.c sandbox/supervisor.c sandbox/supervisor.h sandbox/supervisor_private.h sandbox/supervisor_table.c \
	sandbox/supervisor_table.h sandbox/ulimit.c sandbox/usernet.c sandbox/warden.c sandbox/warden.h sandbox/wire.c sandbox/wire.h

# Steps from the command line or a script, for tests/prog/sandbox.t and containers.t.
noinst_PROGRAMS = tests/prog/sandbox-driver
tests_prog_sandbox_driver_SOURCES = tests/prog/sandbox-driver.c tests/prog/sandbox-driver.h tests/prog/sandbox-play.c
tests_prog_sandbox_driver_LDADD = sandbox/libsandbox.a base/libbase.a $(DEPS_LIBS)

# The observer by itself. Static, so that it runs in any root; it needs nothing but the observer's own objects.
bin_PROGRAMS += whittle-record
whittle_record_SOURCES = sandbox/record.c
whittle_record_LDADD = sandbox/libsandbox.a base/libbase.a -lseccomp
whittle_record_LDFLAGS = $(RECORD_LDFLAGS)

# The helper of a profile's driver: a static program inside of ours. It runs in any container, without the flags of our own.
noinst_PROGRAMS += sandbox/app-helper
sandbox_app_helper_SOURCES = sandbox/app_helper.c sandbox/app_protocol.h
sandbox_app_helper_CPPFLAGS = -D_GNU_SOURCE -I$(top_srcdir)
sandbox_app_helper_CFLAGS = -std=gnu17 $(WARN_CFLAGS)
sandbox_app_helper_LDFLAGS = -static -s
sandbox/app_blob.$(OBJEXT): sandbox/app-helper$(EXEEXT)
# The first process of containers that want one (run --init), in the same way.
noinst_PROGRAMS += sandbox/container-init
sandbox_container_init_SOURCES = sandbox/container_init.c
sandbox_container_init_CPPFLAGS = -D_GNU_SOURCE
sandbox_container_init_CFLAGS = -std=gnu17 $(WARN_CFLAGS)
sandbox_container_init_LDFLAGS = -static -s
sandbox/init_blob.$(OBJEXT): sandbox/container-init$(EXEEXT)
