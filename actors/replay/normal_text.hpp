#pragma once

#include "actors/recorder/codec.hpp"

#include <caf/message.hpp>
#include <caf/type_erased_tuple.hpp>
#include <string>

namespace muster {

/// A message in words that are equal for a recording and its replay: secrets
/// and their numbers, fingerprints and the lengths of scripts are left out.
std::string normal_text(const caf::type_erased_tuple& what);

/// A message to be compared with others, mostly without making words of it.
class comparable {
public:
  explicit comparable(caf::message what);

  const caf::message& what() const {
    return what_;
  }

  std::string text() const {
    return normal_text(what_.content());
  }

  /// Whether the normal texts are equal, but for what is hidden in the recorded
  /// one.
  bool is(const comparable& recorded) const;

private:
  caf::message what_;
  std::string bytes_;
};

} // namespace muster
