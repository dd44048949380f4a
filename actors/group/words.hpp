#pragma once

#include "messages/decisions.hpp"

#include <chrono>
#include <string>

namespace muster {

// Decisions in sentences: for the log, and for `muster explain`.

/// Returns `1 instance`, `3 instances`.
std::string counted(int64_t count, const char* one, const char* many);

/// Returns a time as one tells it: `0.3 s`, `14 s`, `3 min 5 s`, `2 h 3 min`.
std::string spoken(std::chrono::milliseconds x);

/// What was done: `2 instances asked for; i-1 marked for removal`; `nothing`.
std::string action_text(const decision_note& x);

/// Why: `3 jobs wait for a slot; there is 1 instance of 2 slots`.
std::string reason_text(const decision_note& x);

/// What was not done and why; empty if nothing was left out.
std::string options_text(const decision_note& x);

/// `policy 2 (* * 8-18 * * mon-fri)`; `the built-in policy`.
std::string policy_text(const decision_note& x);

/// Why no slot could be promised.
std::string reason_text(const refusal_note& x);

/// Why an instance is removed, as a part of a sentence.
std::string removal_text(decision_rule x);

} // namespace muster
