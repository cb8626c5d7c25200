// SPDX-License-Identifier: BSL-1.0
#include <concur/net/tls.hpp>

int main() { return concur::tls_context::client().verifies() ? 0 : 1; }
