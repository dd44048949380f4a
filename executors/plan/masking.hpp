#pragma once

#include "messages/payload.hpp"

#include <string>
#include <vector>

namespace muster {

/// Returns the texts that must not appear in the trace: the values of masked
/// variables, without blanks at their ends, each once. Longest first; of equal
/// length the lexicographically larger first, so that a value is replaced
/// before what it contains.
///
/// @param variables expanded; overridden ones count, as their values may be
/// printed all the same
/// Source: reference/trace, section 4.1.
std::vector<std::string>
mask_phrases(const std::vector<job_variable>& variables);

/// Returns the prefixes of tokens, behind which the trace is masked: GitLab's
/// defaults and the job's own, shortest first. Only the first 15 count, as with
/// the peer.
///
/// @param all_default_tokens FF_MASK_ALL_DEFAULT_TOKENS
/// Source: reference/trace, section 4.3.
std::vector<std::string> mask_prefixes(const job_payload& payload,
                                       bool all_default_tokens);

} // namespace muster
