#pragma once

#include "actors/recorder/reader.hpp"
#include "actors/replay/replay.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <string>
#include <vector>

namespace muster::test {

/// All there is in a recording, or in a folder of them.
inline std::vector<record> records_of(const std::string& place) {
  auto reader = recording_reader::open(place);
  REQUIRE(reader);
  std::vector<record> out;
  record x;
  while (reader->next(x))
    out.push_back(x);
  return out;
}

/// What comes of running them again, up to the first divergence.
inline replay_report replayed(const std::vector<record>& all) {
  replay again;
  for (const auto& x : all)
    if (!again.take(x))
      return again.report();
  if (!all.empty())
    again.end_at(all.back());
  return again.report();
}

/// For who has to find out why.
inline std::string told(const replay_report& x) {
  if (!x.diverged)
    return "no divergence";
  return fmt::format("record {}, {}: recorded {}, replayed {}; {}",
                     x.diverged->at.number, x.diverged->actor,
                     x.diverged->recorded, x.diverged->replayed,
                     x.diverged->state);
}

} // namespace muster::test
