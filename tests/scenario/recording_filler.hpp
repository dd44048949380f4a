#pragma once

#include "messages/type_ids.hpp"

#include <caf/all.hpp>
#include <functional>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace muster::test {

/// An inspector that fills whatever message it is shown.
class filler {
public:
  using result_type = void;
  static constexpr bool reads_state = false;
  static constexpr bool writes_state = true;

  std::function<std::string()> text;   ///< for the next text
  std::function<std::string()> sealed; ///< for the next secret
  std::mt19937_64 random;
  bool has_scripts = true; ///< fills what is written as a fingerprint only
  /// Fills what stays as it is on purpose: the value of a variable that GitLab
  /// shows to everybody, and what has its secrets numbered when it is made.
  bool has_exceptions = true;

  template <class... Ts>
  void operator()(Ts&&... xs) {
    (put(xs), ...);
  }

  template <class T>
  void put(T& x) {
    if constexpr (caf::meta::is_annotation<std::decay_t<T>>::value)
      return;
    else if constexpr (std::is_same_v<T, bool>)
      x = random() % 2 == 1;
    else if constexpr (std::is_enum_v<T>)
      x = static_cast<T>(random() % 3);
    else if constexpr (std::is_floating_point_v<T>)
      x = static_cast<T>(random() % 1000) / 8;
    else if constexpr (std::is_arithmetic_v<T>)
      x = static_cast<T>(random() >> random() % 64);
    else
      put_value(x);
  }

  void put_value(std::string& x) {
    x = text();
  }

  void put_value(secret& x) {
    x = secret{sealed()};
  }

  void put_value(peer& x) {
    x = {"runner:a/group", {}};
  }

  void put_value(caf::error& x) {
    x = error_of(provider_errc::call_failed, text());
  }

  template <class Tag>
  void put_value(id<Tag>& x) {
    x.value = "i-" + std::to_string(random() % 1000);
  }

  template <class T>
  void put_value(std::vector<T>& xs) {
    xs.resize(1 + random() % 3);
    for (auto& x : xs)
      put(x);
  }

  void put_value(job_variable& x) {
    put(x.key);
    put(x.is_public);
    x.value = secret{x.is_public && !has_exceptions ? "everybody sees this"
                                                    : sealed()};
    put(x.file);
    put(x.masked);
    put(x.raw);
  }

  void put_value(manager_line& x) {
    put(x.source);
    put(x.unix_us);
    x.text = secret{has_exceptions ? sealed() : "what the manager says"};
  }

  void put_value(config_in_force& x) {
    if (has_exceptions)
      inspect(*this, x);
  }

  void put_value(actor_state& x) {
    inspect(*this, x);
    if (!has_exceptions)
      x.bytes.clear();
  }

  void put_value(job_step& x) {
    inspect(*this, x);
    clear(x.script);
  }

  void put_value(job_hook& x) {
    inspect(*this, x);
    clear(x.script);
  }

  void put_value(job_image& x) {
    inspect(*this, x);
    clear(x.command);
    clear(x.entrypoint);
  }

  void put_value(stage_text& x) {
    inspect(*this, x);
    clear(x.before);
  }

  void put_value(run_command& x) {
    inspect(*this, x);
    clear(x.command);
  }

  template <class T>
  void put_value(T& x) {
    inspect(*this, x);
  }

private:
  template <class T>
  void clear(T& x) const {
    if (!has_scripts)
      x = {};
  }
};

/// Calls `f` with a default value of each message type.
template <class F, size_t... Is>
void for_each_type(F&& f, std::index_sequence<Is...> /*indices*/) {
  (f(typename caf::type_by_id<caf::id_block::muster::begin + Is>::type{}), ...);
}

template <class F>
void for_each_type(F&& f) {
  using block = caf::id_block::muster;
  for_each_type(f, std::make_index_sequence<block::end - block::begin>{});
}

} // namespace muster::test
