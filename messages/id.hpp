#pragma once

#include <compare>
#include <string>
#include <utility>

namespace muster {

/// An identifier of one kind of thing: ids of different things do not mix.
template <class Tag>
struct id {
  std::string value;

  id() = default;

  explicit id(std::string text) : value(std::move(text)) {
  }

  bool empty() const {
    return value.empty();
  }

  auto operator<=>(const id&) const = default;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, id& x) {
    return f(x.value);
  }
};

template <class Tag>
std::string to_string(const id<Tag>& x) {
  return x.value;
}

/// Names a job's hold on a slot from the reservation to the cleaned slot; also
/// the job's name at the instance. Unique for ever.
using acquisition_key = id<struct acquisition_key_tag>;

/// An instance, as its provider names it.
using instance_id = id<struct instance_id_tag>;

/// A `[[runners]]` entry: its short token, with a number where two share it.
using runner_id = id<struct runner_id_tag>;

} // namespace muster
