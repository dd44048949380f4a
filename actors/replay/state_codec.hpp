#pragma once

#include "actors/clock.hpp"
#include "actors/recorder/codec.hpp"
#include "actors/recorder/varint.hpp"
#include "messages/id.hpp"
#include "messages/peer.hpp"
#include "messages/secret.hpp"

#include <array>
#include <caf/all.hpp>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace muster {

// States of actors as bytes of a recording: what `inspect` and
// `inspect_snapshot` show, one after the other. Read by the same build only:
// a replay compares the revisions.

namespace state_codec {

template <class T, template <class...> class Of>
struct is_of : std::false_type {};

template <class... Ts, template <class...> class Of>
struct is_of<Of<Ts...>, Of> : std::true_type {};

template <class T>
constexpr bool is_list
  = is_of<T, std::vector>::value || is_of<T, std::deque>::value
    || is_of<T, std::set>::value || is_of<T, std::map>::value;

template <class T>
struct is_array : std::false_type {};

template <class T, size_t N>
struct is_array<std::array<T, N>> : std::true_type {};

template <class T>
struct is_id : std::false_type {};

template <class Tag>
struct is_id<id<Tag>> : std::true_type {};

template <class T>
struct is_duration : std::false_type {};

template <class Rep, class Period>
struct is_duration<std::chrono::duration<Rep, Period>> : std::true_type {};

/// A moment that stands for none, or for all.
inline bool is_special(time_point x) {
  return x == time_point{} || x == time_point::min() || x == time_point::max();
}

} // namespace state_codec

/// An inspector: appends a state.
class state_writer {
public:
  using result_type = void;
  static constexpr bool reads_state = true;
  static constexpr bool writes_state = false;

  state_writer(std::string& to, writing_context& context)
    : to_(to),
      context_(context) {
  }

  template <class... Ts>
  void operator()(Ts&&... xs) {
    (put(xs), ...);
  }

  template <class T>
  void put(const T& x) {
    using namespace state_codec;
    if constexpr (caf::meta::is_annotation<T>::value)
      return;
    else if constexpr (std::is_enum_v<T>)
      put_varint(to_, static_cast<uint64_t>(x));
    else if constexpr (std::is_floating_point_v<T>)
      to_.append(reinterpret_cast<const char*>(&x), sizeof x);
    else if constexpr (std::is_integral_v<T>)
      put_zigzag(to_, static_cast<int64_t>(x));
    else if constexpr (std::is_same_v<T, time_point>)
      put_zigzag(to_, x.time_since_epoch().count());
    else if constexpr (is_duration<T>::value)
      put_zigzag(to_, static_cast<int64_t>(x.count()));
    else if constexpr (is_list<T>)
      put_list(x);
    else if constexpr (is_array<T>::value)
      put_all(x);
    else if constexpr (is_of<T, std::pair>::value)
      (put(x.first), put(x.second));
    else if constexpr (is_of<T, std::optional>::value)
      put_optional(x);
    else if constexpr (is_id<T>::value)
      put(x.value);
    else
      put_value(x);
  }

private:
  template <class T>
  void put_list(const T& xs) {
    put_varint(to_, xs.size());
    put_all(xs);
  }

  template <class T>
  void put_all(const T& xs) {
    for (const auto& x : xs)
      put(x);
  }

  template <class T>
  void put_optional(const T& x) {
    put(x.has_value());
    if (x)
      put(*x);
  }

  void put_value(const std::string& x) {
    std::string hidden;
    put_text(to_, context_.secrets().scrub(x, hidden) ? hidden : x);
  }

  void put_value(const secret& x) {
    put_varint(to_, context_.secrets().number(x.reveal()));
  }

  void put_value(const peer& x) {
    put_actor(x.handle ? x.handle.id() : caf::invalid_actor_id);
    put_text(to_, x.role);
  }

  void put_value(const caf::actor_addr& x) {
    put_actor(x ? x.id() : caf::invalid_actor_id);
  }

  void put_actor(caf::actor_id x) {
    put_varint(to_, x == caf::invalid_actor_id ? 0 : context_.number_of(x, {}));
  }

  template <class T>
  void put_value(const T& x) {
    inspect(*this, const_cast<T&>(x)); // which only reads here
  }

  std::string& to_;
  writing_context& context_;
};

/// An inspector: reads a state. Foreign bytes: `is_fine` tells whether the
/// result is of use.
class state_reader {
public:
  using result_type = void;
  static constexpr bool reads_state = false;
  static constexpr bool writes_state = true;

  /// Whoever has the number, or else the role.
  using finder
    = std::function<caf::actor(uint64_t number, const std::string& role)>;

  state_reader(std::string_view from, time_point::duration clock_offset,
               finder find)
    : from_(from),
      clock_offset_(clock_offset),
      find_(std::move(find)) {
  }

  template <class... Ts>
  void operator()(Ts&&... xs) {
    (get(xs), ...);
  }

  template <class T>
  void get(T& x) {
    using namespace state_codec;
    if constexpr (caf::meta::is_annotation<T>::value)
      return;
    else if constexpr (std::is_enum_v<T>)
      x = static_cast<T>(take());
    else if constexpr (std::is_floating_point_v<T>)
      get_float(x);
    else if constexpr (std::is_integral_v<T>)
      x = static_cast<T>(take_signed());
    else if constexpr (std::is_same_v<T, time_point>)
      get_time(x);
    else if constexpr (is_duration<T>::value)
      x = T{static_cast<typename T::rep>(take_signed())};
    else if constexpr (is_of<T, std::map>::value)
      get_map(x);
    else if constexpr (is_list<T>)
      get_list(x);
    else if constexpr (is_array<T>::value)
      for (auto& one : x)
        get(one);
    else if constexpr (is_of<T, std::optional>::value)
      get_optional(x);
    else if constexpr (is_id<T>::value)
      get_value(x.value);
    else
      get_value(x);
  }

  bool is_fine_so_far() const {
    return fine_;
  }

  bool is_fine() const {
    return fine_ && from_.empty();
  }

private:
  uint64_t take() {
    uint64_t x = 0;
    if (!take_varint(from_, x))
      fail();
    return x;
  }

  int64_t take_signed() {
    int64_t x = 0;
    if (!take_zigzag(from_, x))
      fail();
    return x;
  }

  void fail() {
    fine_ = false;
    from_ = {};
  }

  template <class T>
  void get_float(T& x) {
    if (from_.size() < sizeof x) {
      fail();
      return;
    }
    std::memcpy(&x, from_.data(), sizeof x);
    from_.remove_prefix(sizeof x);
  }

  void get_time(time_point& x) {
    x = time_point{time_point::duration{take_signed()}};
    if (!state_codec::is_special(x))
      x += clock_offset_;
  }

  /// Each element has at least a byte.
  uint64_t take_count() {
    auto count = take();
    if (count <= from_.size())
      return count;
    fail();
    return 0;
  }

  template <class T>
  void get_map(T& xs) {
    xs.clear();
    for (auto count = take_count(); count > 0 && fine_; --count) {
      typename T::key_type key{};
      get(key);
      get(xs[std::move(key)]);
    }
  }

  template <class T>
  void get_list(T& xs) {
    xs.clear();
    for (auto count = take_count(); count > 0 && fine_; --count) {
      typename T::value_type x{};
      get(x);
      xs.insert(xs.end(), std::move(x));
    }
  }

  template <class T>
  void get_optional(T& x) {
    bool is_there = false;
    get(is_there);
    x.reset();
    if (is_there)
      get(x.emplace());
  }

  void get_value(std::string& x) {
    std::string_view text;
    if (!take_text(from_, text))
      fail();
    x = text;
  }

  void get_value(secret& x) {
    auto number = take();
    x = number == 0 ? secret{} : secret{"#" + std::to_string(number)};
  }

  void get_value(peer& x) {
    auto number = take();
    get_value(x.role);
    if (number != 0 || !x.role.empty())
      x.handle = find_(number, x.role);
  }

  void get_value(caf::actor_addr& x) {
    auto number = take();
    x = number == 0 ? caf::actor_addr{} : find_(number, {}).address();
  }

  template <class T>
  void get_value(T& x) {
    inspect(*this, x);
  }

  std::string_view from_;
  time_point::duration clock_offset_;
  finder find_;
  bool fine_ = true;
};

} // namespace muster
