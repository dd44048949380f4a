#pragma once

namespace muster {

extern const char* const version_text;  ///< `0.1.0`
extern const char* const revision_text; ///< short commit, or `unknown`
extern const char* const branch_text;
extern const char* const arch_text; ///< of this program, as Go says it: `amd64`

} // namespace muster
