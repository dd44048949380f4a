// Precompiled: each file that includes all of CAF takes seconds otherwise.
#include "messages/type_ids.hpp"

#include <caf/all.hpp>
