#pragma once

#include "actors/recorder/recorder.hpp"
#include "config/load.hpp"

#include <memory>
#include <string>

namespace muster {

/// Begins the flight recording of a run and stands it in the door, before the
/// first actor is spawned. Null if none is wanted.
std::shared_ptr<recorder> start_recording(const loaded_config& loaded,
                                          const std::string& run_id);

/// Writes down a configuration that is about to come into force. Null: nothing.
void record_config(recorder* to, const loaded_config& loaded);

} // namespace muster
