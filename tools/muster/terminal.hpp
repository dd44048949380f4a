#pragma once

#include <string>

namespace muster {

/// A text without control characters: those of what others have said must not
/// reach a terminal. Ends of lines are some, too.
std::string printable(std::string text);

/// Says on the standard error what is wrong.
void complain(const std::string& text);

/// What a command ends with that has written to the standard output: `status`,
/// or 2, after a complaint, if not all of it could be written.
int after_output(int status);

} // namespace muster
