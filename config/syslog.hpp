#pragma once

namespace muster::log {

/// Has lines of level `info` and above go to the system's logger, too. `name`
/// is the program's; it must stay.
void also_to_syslog(const char* name);

} // namespace muster::log
