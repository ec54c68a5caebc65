# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += evidence/libevidence.a
evidence_libevidence_a_SOURCES = evidence/evidence.h
# Keys, signing, verifying.
evidence_libevidence_a_SOURCES += \
	evidence/bundle.c evidence/dsse.c evidence/key.c evidence/key_box.c evidence/key_private.h evidence/sign.c \
	evidence/sign_private.h evidence/simple_signing.c evidence/statement.c
