#pragma once

#include <string>

namespace muster {

/// Where muster-helper is: beside this program, as it is built, or as it is
/// installed. A place where it should be if it is in none.
std::string own_helper_program();

/// The archive of muster's own helper image, which is beside that program;
/// empty if it was not made.
std::string own_helper_image();

} // namespace muster
