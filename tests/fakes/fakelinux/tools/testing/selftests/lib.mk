# SPDX-License-Identifier: GPL-2.0-or-later
selfdir = $(realpath $(dir $(filter %/lib.mk,$(MAKEFILE_LIST))))
CFLAGS += -I$(selfdir) $(KHDR_INCLUDES) $(USERCFLAGS)
LDFLAGS += $(USERLDFLAGS)
TEST_GEN_FILES := $(addprefix $(OUTPUT)/,$(TEST_GEN_FILES))
TEST_GEN_PROGS := $(addprefix $(OUTPUT)/,$(TEST_GEN_PROGS))

all: $(TEST_GEN_FILES) $(TEST_GEN_PROGS)

$(OUTPUT)/%: %.c
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $<
