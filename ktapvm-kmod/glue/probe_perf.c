// SPDX-License-Identifier: GPL-2.0-only
#include "probe.h"

const struct ktap_probe_kind ktap_tracepoint;
const struct ktap_probe_kind ktap_perf_event;
