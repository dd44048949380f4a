#include "actors/recorder/words.hpp"

#include "messages/errors.hpp"
#include "messages/type_ids.hpp"

#include <algorithm>
#include <array>
#include <caf/all.hpp>
#include <concepts>
#include <ctime>
#include <fmt/format.h>
#include <map>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace muster {

namespace {

using json = nlohmann::ordered_json;
using names = std::vector<std::string_view>;

const names& field_names(std::string_view type) {
  static const std::map<std::string_view, names> all{
#include "actors/recorder/field_names.inc"
  };
  static const names none;
  auto found = all.find(type);
  return found == all.end() ? none : found->second;
}

template <class T>
struct is_vector : std::false_type {};

template <class T>
struct is_vector<std::vector<T>> : std::true_type {};

template <class T>
concept told_in_words = requires(const T& x) {
  { to_string(x) } -> std::convertible_to<std::string>;
};

template <class Errc>
std::string code_in(const caf::error& x) {
  return to_string(static_cast<Errc>(x.code()));
}

std::string code_of(const caf::error& x) {
  switch (static_cast<uint64_t>(x.category())) {
    case caf::atom_uint("capacity"):
      return code_in<capacity_errc>(x);
    case caf::atom_uint("provider"):
      return code_in<provider_errc>(x);
    case caf::atom_uint("instance"):
      return code_in<instance_errc>(x);
    case caf::atom_uint("connection"):
      return code_in<connection_errc>(x);
    case caf::atom_uint("job"):
      return code_in<job_errc>(x);
    case caf::atom_uint("coord"):
      return code_in<coordinator_errc>(x);
    case caf::atom_uint("config"):
      return code_in<config_errc>(x);
    case caf::atom_uint("journal"):
      return code_in<journal_errc>(x);
    case caf::atom_uint("helper"):
      return code_in<helper_errc>(x);
    case caf::atom_uint("exit"):
      return caf::to_string(static_cast<caf::exit_reason>(x.code()));
    case caf::atom_uint("system"):
      return caf::to_string(static_cast<caf::sec>(x.code()));
    default:
      return std::to_string(x.code());
  }
}

/// An inspector: what `inspect` shows it becomes `out`.
class json_writer {
public:
  using result_type = void;
  static constexpr bool reads_state = true;
  static constexpr bool writes_state = false;

  json out;

  template <class T, class... Ts>
  void operator()(T&& first, Ts&&... xs) {
    if constexpr (std::is_same_v<std::decay_t<T>, caf::meta::type_name_t>) {
      put_object(first.value, xs...);
    } else {
      out = json::array({of(first)});
      (out.push_back(of(xs)), ...);
    }
  }

  template <class T>
  static json of(const T& x) {
    if constexpr (std::is_same_v<T, secret>)
      return x.reveal();
    else if constexpr (std::is_same_v<T, peer>)
      return x.role;
    else if constexpr (std::is_same_v<T, caf::error>)
      return of_error(x);
    else if constexpr (std::is_arithmetic_v<
                         T> || std::is_same_v<T, std::string>)
      return x;
    else if constexpr (is_vector<T>::value)
      return of_list(x);
    else if constexpr (told_in_words<T>)
      return to_string(x);
    else if constexpr (std::is_enum_v<T>)
      return static_cast<int64_t>(x);
    else
      return of_struct(x);
  }

private:
  template <class... Ts>
  void put_object(const char* type, const Ts&... xs) {
    out = json::object();
    const auto& fields = field_names(type);
    size_t i = 0;
    auto put = [&](const auto& x) {
      auto name = i < fields.size() ? std::string{fields[i]}
                                    : fmt::format("field_{}", i + 1);
      ++i;
      out[name] = of(x);
    };
    (put(xs), ...);
  }

  static json of_error(const caf::error& x) {
    if (!x)
      return nullptr;
    json out;
    out["category"] = caf::to_string(x.category());
    out["code"] = code_of(x);
    const auto& context = x.context();
    if (context.size() == 1 && context.match_element<std::string>(0))
      out["text"] = context.get_as<std::string>(0);
    return out;
  }

  template <class T>
  static json of_list(const std::vector<T>& xs) {
    auto out = json::array();
    for (const auto& x : xs)
      out.push_back(of(x));
    return out;
  }

  template <class T>
  static json of_struct(const T& x) {
    json_writer inner;
    inspect(inner, const_cast<T&>(x)); // which only reads here
    return std::move(inner.out);
  }
};

using block = caf::id_block::muster;
using to_json = json (*)(const void*);

template <size_t... Is>
std::unordered_map<const std::type_info*, to_json>
make_table(std::index_sequence<Is...> /*indices*/) {
  std::unordered_map<const std::type_info*, to_json> out;
  auto add = [&out]<class T>(std::type_identity<T> /*type*/) {
    out[&typeid(T)] = [](const void* x) {
      return json_writer::of(*static_cast<const T*>(x));
    };
  };
  (add(std::type_identity<typename caf::type_by_id<block::begin + Is>::type>{}),
   ...);
  return out;
}

std::string clock_text(int64_t unix_us) {
  unix_us = std::max<int64_t>(unix_us, 0);
  auto seconds = static_cast<time_t>(unix_us / 1'000'000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> when{};
  std::strftime(when.data(), when.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:06}Z", when.data(), unix_us % 1'000'000);
}

bool is_empty(const json& x) {
  return x.is_null() || (x.is_array() && x.empty())
         || (x.is_string() && x.get_ref<const std::string&>().empty());
}

std::string quoted(const std::string& x) {
  auto is_plain = x.find_first_of(" \t\r\n\"=[]{},") == std::string::npos;
  return is_plain
           ? x
           : json(x).dump(-1, ' ', false, json::error_handler_t::replace);
}

void put_words(const json& x, std::string& to);

void put_fields(const json& x, std::string& to, const char* between) {
  bool is_first = true;
  for (const auto& [name, value] : x.items()) {
    if (is_empty(value))
      continue;
    to += is_first ? "" : between;
    is_first = false;
    to += name + "=";
    put_words(value, to);
  }
}

void put_words(const json& x, std::string& to) {
  if (x.is_string()) {
    to += quoted(x.get<std::string>());
  } else if (x.is_array()) {
    to += '[';
    for (size_t i = 0; i < x.size(); ++i) {
      to += i == 0 ? "" : ", ";
      put_words(x[i], to);
    }
    to += ']';
  } else if (x.is_object()) {
    to += '{';
    put_fields(x, to, " ");
    to += '}';
  } else {
    to += x.dump();
  }
}

} // namespace

json json_of(const caf::message& what) {
  static const auto table
    = make_table(std::make_index_sequence<block::end - block::begin>{});
  if (what.size() != 1)
    return nullptr;
  auto found = table.find(what.type(0).second);
  return found == table.end() ? json{} : found->second(what.at(0));
}

std::string words_of(const record& x) {
  if (x.kind == record_kind::gap)
    return fmt::format("{} records are missing", x.missing);
  auto out = x.type;
  if (!x.problem.empty())
    return out + (out.empty() ? "" : " ") + "(" + x.problem + ")";
  auto what = json_of(x.what);
  if (is_empty(what) || (what.is_object() && what.empty()))
    return out;
  out += ' ';
  if (what.is_object())
    put_fields(what, out, " ");
  else
    put_words(what, out);
  if (out.back() == ' ')
    out.pop_back();
  return out;
}

json json_of(const record& x) {
  json out;
  out["number"] = x.number;
  out["time"] = clock_text(x.unix_us);
  out["at_ns"] = x.at.count();
  out["kind"] = to_string(x.kind);
  if (x.from.number != 0)
    out["from"] = to_string(x.from);
  if (x.to.number != 0)
    out["to"] = to_string(x.to);
  if (x.is_input)
    out["input"] = true;
  if (x.is_timer)
    out["timer"] = true;
  if (x.kind == record_kind::gap)
    out["missing"] = x.missing;
  if (!x.type.empty())
    out["type"] = x.type;
  if (!x.problem.empty())
    out["problem"] = x.problem;
  if (!x.what.empty())
    out["what"] = json_of(x.what);
  return out;
}

} // namespace muster
