// Precompiled: each file that includes all of CAF takes seconds otherwise.
#include "actors/message_types.hpp"
