// SPDX-License-Identifier: GPL-2.0-only
#include "probe.h"

const struct ktap_probe_kind ktap_kprobe;
const struct ktap_probe_kind ktap_kretprobe;
