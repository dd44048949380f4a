#pragma once

#include <string>

namespace muster::test {

/// Whether jobs of this test program are carried out from the manager's machine
/// (`MUSTER_TEST_ENGINE=far`), as where an instance runs no helper. The same
/// tests must pass both ways.
bool is_engine_far();

/// Returns where what carries out a job finds an Engine that listens at this
/// socket: there or, if it is far, at a socket that leads to it through a real
/// sshd, which is there until the program ends. As DOCKER_HOST.
std::string way_to_engine(const std::string& socket);

} // namespace muster::test
