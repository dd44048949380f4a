#include "actors/recorder/codec.hpp"

#include "actors/recorder/varint.hpp"
#include "messages/errors.hpp"
#include "messages/type_ids.hpp"

#include <algorithm>
#include <array>
#include <caf/all.hpp>
#include <cstring>
#include <fmt/format.h>
#include <map>
#include <type_traits>
#include <unordered_map>
#include <utility>

namespace muster {

namespace {

/// Longer texts that may hold a secret are not searched but left out. [bytes]
constexpr size_t text_bytes_max = 64 << 10;

template <class T>
struct is_id : std::false_type {};

template <class Tag>
struct is_id<id<Tag>> : std::true_type {};

template <class T>
struct is_vector : std::false_type {};

template <class T>
struct is_vector<std::vector<T>> : std::true_type {};

template <class T>
constexpr bool is_field = !caf::meta::is_annotation<std::decay_t<T>>::value;

template <class... Ts>
constexpr size_t field_count = (size_t{0} + ... + (is_field<Ts> ? 1 : 0));

// -- writing ------------------------------------------------------------------

/// Where in the bytes a text stands that may have a secret in it.
struct text_place {
  size_t at = 0;
  size_t size = 0;
};

/// An inspector: writes what `inspect` shows it.
class message_writer {
public:
  using result_type = void;
  static constexpr bool reads_state = true;
  static constexpr bool writes_state = false;

  /// @param unseen gets the places of the texts, which stay as they are; null:
  ///        secrets are replaced in them.
  message_writer(std::string& to, writing_context& context,
                 std::vector<text_place>* unseen)
    : to_(to),
      context_(context),
      secrets_(context.secrets()),
      hides_(context.hides()),
      unseen_(unseen) {
  }

  template <class... Ts>
  void operator()(Ts&&... xs) {
    put_varint(to_, field_count<Ts...>);
    (put(xs), ...);
  }

  template <class T>
  void put(const T& x) {
    if constexpr (!is_field<T>)
      return;
    else if constexpr (std::is_same_v<T, bool>)
      to_.push_back(x ? 1 : 0);
    else if constexpr (std::is_enum_v<T>)
      put_varint(to_, static_cast<uint64_t>(x));
    else if constexpr (std::is_floating_point_v<T>)
      put_number(x);
    else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>)
      put_zigzag(to_, x);
    else if constexpr (std::is_integral_v<T>)
      put_varint(to_, x);
    else if constexpr (is_id<T>::value)
      put_text(to_, x.value);
    else if constexpr (is_vector<T>::value)
      put_list(x);
    else
      put_value(x);
  }

  void put_value(const std::string& x) {
    if (x.size() > text_bytes_max) {
      put_text(to_, opaque_text(x, secrets_));
    } else if (unseen_ != nullptr) {
      put_text(to_, x);
      if (hides_)
        unseen_->push_back({to_.size() - x.size(), x.size()});
    } else {
      put_text(to_, secrets_.scrub(x, scratch_) ? scratch_ : x);
    }
  }

  void put_value(const secret& x) {
    put_secret(x, in_texts::hidden);
  }

  void put_secret(const secret& x, in_texts how) {
    if (hides_)
      put_varint(to_, secrets_.number(x.reveal(), how));
    else
      put_text(to_, x.reveal());
  }

  void put_value(const peer& x) {
    put_actor(x.handle ? x.handle.id() : caf::invalid_actor_id, x.role);
  }

  void put_actor(caf::actor_id id, const std::string& role) {
    auto number
      = id == caf::invalid_actor_id ? 0 : context_.number_of(id, role);
    put_varint(to_, number);
    if (number == 0)
      put_text(to_, role);
  }

  /// The end of an actor, or what tells it to end.
  void put_end(const caf::actor_addr& who, const caf::error& why) {
    to_.push_back(2);
    put_actor(who ? who.id() : caf::invalid_actor_id, {});
    put_value(why);
  }

  void put_value(const caf::error& x) {
    if (!x) {
      to_.push_back(0);
      return;
    }
    to_.push_back(1);
    put_varint(to_, x.code());
    put_varint(to_, static_cast<uint64_t>(x.category()));
    const auto& context = x.context();
    if (context.size() == 1 && context.match_element<std::string>(0))
      put_value(context.get_as<std::string>(0));
    else
      put_value(context.empty() ? std::string{} : text_of(x));
  }

  /// What stands in GitLab for everybody is no secret; nor are GitLab's own
  /// names, of which a job has a hundred.
  void put_value(const job_variable& x) {
    to_.push_back(6);
    if (x.key.starts_with("CI_") || x.key.starts_with("GITLAB_"))
      put_text(to_, x.key);
    else
      put_value(x.key);
    put_secret(x.value, x.is_public ? in_texts::left : in_texts::hidden);
    put(x.is_public);
    put(x.file);
    put(x.masked);
    put(x.raw);
  }

  /// Not shown, since it is not masked yet; but no secret that other texts
  /// could have in them.
  void put_value(const manager_line& x) {
    to_.push_back(3);
    put(x.source);
    put(x.unix_us);
    put_secret(x.text, in_texts::left);
  }

  void put_value(const job_step& x) {
    put_struct(job_step{x.name, opaque(x.script)});
  }

  void put_value(const job_hook& x) {
    put_struct(job_hook{x.name, opaque(x.script)});
  }

  void put_value(const job_image& x) {
    auto y = x;
    y.command = opaque(x.command);
    y.entrypoint = opaque(x.entrypoint);
    put_struct(std::move(y));
  }

  void put_value(const stage_text& x) {
    auto y = x;
    y.before = opaque(x.before);
    put_struct(std::move(y));
  }

  void put_value(const run_command& x) {
    auto y = x;
    y.command = opaque(x.command);
    put_struct(std::move(y));
  }

  /// It is made with numbers in the place of secrets, and its keys with it.
  void put_value(const config_in_force& x) {
    to_.push_back(3);
    put_text(to_, x.path);
    put_text(to_, x.text);
    put_list(x.runners);
  }

  /// The bytes are made with this context.
  void put_value(const actor_state& x) {
    to_.push_back(2);
    put_value(x.text);
    put_text(to_, x.bytes);
  }

  template <class T>
  void put_value(const T& x) {
    inspect(*this, const_cast<T&>(x)); // which only reads here
  }

private:
  template <class T>
  void put_struct(T x) {
    inspect(*this, x);
  }

  template <class T>
  void put_list(const std::vector<T>& xs) {
    put_varint(to_, xs.size());
    for (const auto& x : xs)
      put(x);
  }

  void put_number(double x) {
    std::array<char, sizeof x> bytes;
    std::memcpy(bytes.data(), &x, sizeof x);
    to_.append(bytes.data(), bytes.size());
  }

  std::string opaque(const std::string& x) const {
    return x.empty() ? x : opaque_text(x, secrets_);
  }

  std::vector<std::string> opaque(const std::vector<std::string>& lines) const {
    if (lines.empty())
      return {};
    std::string all;
    for (const auto& x : lines)
      (all += x) += '\n';
    return {opaque_text(all, secrets_)};
  }

  std::string& to_;
  writing_context& context_;
  secret_book& secrets_;
  bool hides_;
  std::vector<text_place>* unseen_;
  std::string scratch_;
};

// -- reading ------------------------------------------------------------------

/// An inspector: reads into what `inspect` shows it. Whatever the bytes are, it
/// ends; `problem` tells that the result is of no use.
class message_reader {
public:
  using result_type = void;
  static constexpr bool reads_state = false;
  static constexpr bool writes_state = true;

  message_reader(std::string_view from, const role_lookup& roles)
    : from_(from),
      roles_(roles) {
  }

  template <class... Ts>
  void operator()(Ts&&... xs) {
    uint64_t count = 0;
    if (!check(take_varint(from_, count)))
      return;
    if (count > field_count<Ts...>) {
      fail("it has fields that this muster does not know: a newer one has "
           "recorded it");
      return;
    }
    (get_if_there(xs, count), ...);
  }

  template <class T>
  void get(T& x) {
    if constexpr (std::is_same_v<T, bool>) {
      uint64_t raw = 0;
      x = get_number(raw) != 0;
    } else if constexpr (std::is_enum_v<T>) {
      uint64_t raw = 0;
      x = static_cast<T>(get_number(raw));
    } else if constexpr (std::is_floating_point_v<T>) {
      get_double(x);
    } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
      int64_t raw = 0;
      check(take_zigzag(from_, raw) && std::in_range<T>(raw));
      x = static_cast<T>(raw);
    } else if constexpr (std::is_integral_v<T>) {
      uint64_t raw = 0;
      check(std::in_range<T>(get_number(raw)));
      x = static_cast<T>(raw);
    } else if constexpr (is_id<T>::value) {
      get_value(x.value);
    } else if constexpr (is_vector<T>::value) {
      get_list(x);
    } else {
      get_value(x);
    }
  }

  void get_value(std::string& x) {
    std::string_view text;
    if (check(take_text(from_, text)) && spend(text.size()))
      x = text;
  }

  void get_value(secret& x) {
    uint64_t number = 0;
    if (get_number(number) != 0)
      x = secret{fmt::format("#{}", number)};
  }

  void get_value(peer& x) {
    uint64_t number = 0;
    if (get_number(number) == 0)
      get_value(x.role);
    else if (const auto* role = roles_ ? roles_(number) : nullptr)
      x.role = *role;
    else
      x.role = fmt::format("actor:{}", number);
  }

  void get_value(caf::error& x) {
    bool is_error = false;
    get(is_error);
    if (!is_error)
      return;
    uint8_t code = 0;
    get(code);
    uint64_t category = 0;
    get_number(category);
    std::string context;
    get_value(context);
    if (problem_.empty() && code != 0)
      x = caf::error{code, static_cast<caf::atom_value>(category),
                     context.empty() ? caf::message{}
                                     : caf::make_message(std::move(context))};
  }

  template <class T>
  void get_value(T& x) {
    inspect(*this, x);
  }

  std::string problem() {
    if (problem_.empty() && !from_.empty())
      fail("there are bytes after its end");
    return std::move(problem_);
  }

private:
  static constexpr size_t budget_max = 64 << 20; // [bytes]

  template <class T>
  void get_if_there(T& x, uint64_t& count) {
    if constexpr (is_field<T>) {
      if (count == 0 || !problem_.empty())
        return;
      --count;
      get(x);
    }
  }

  template <class T>
  void get_list(std::vector<T>& xs) {
    uint64_t count = 0;
    if (!check(take_varint(from_, count) && count <= from_.size()))
      return;
    xs.clear();
    for (; count > 0 && problem_.empty() && spend(sizeof(T)); --count)
      get(xs.emplace_back());
  }

  uint64_t get_number(uint64_t& x) {
    check(take_varint(from_, x));
    return x;
  }

  void get_double(double& x) {
    if (!check(from_.size() >= sizeof x))
      return;
    std::memcpy(&x, from_.data(), sizeof x);
    from_.remove_prefix(sizeof x);
  }

  bool check(bool is_fine) {
    if (!is_fine)
      fail("its bytes are not what they should be");
    return is_fine;
  }

  /// Few bytes may ask for much memory.
  bool spend(size_t bytes) {
    spent_ += bytes;
    if (spent_ > budget_max)
      fail("it is larger than any message of muster's");
    return spent_ <= budget_max;
  }

  void fail(const char* why) {
    if (problem_.empty())
      problem_ = why;
    from_ = {};
  }

  std::string_view from_;
  const role_lookup& roles_;
  std::string problem_;
  size_t spent_ = 0;
};

// -- the types ----------------------------------------------------------------

struct message_type {
  std::string_view name;
  const std::type_info* info;
  void (*write)(message_writer&, const void*);
  caf::message (*read)(message_reader&);
};

template <class T>
message_type type_of() {
  std::string_view name = caf::type_name<T>::value;
  constexpr std::string_view space = "muster::";
  if (name.starts_with(space))
    name.remove_prefix(space.size());
  return {
    name, &typeid(T),
    [](message_writer& f, const void* x) { f.put(*static_cast<const T*>(x)); },
    [](message_reader& f) {
      T x;
      f.get(x);
      return caf::make_message(std::move(x));
    }};
}

using block = caf::id_block::muster;
constexpr size_t type_count = block::end - block::begin;

template <size_t... Is>
std::array<message_type, type_count>
make_types(std::index_sequence<Is...> /*indices*/) {
  return {type_of<typename caf::type_by_id<block::begin + Is>::type>()...};
}

const std::array<message_type, type_count>& types() {
  static const auto all = make_types(std::make_index_sequence<type_count>{});
  return all;
}

/// The number of a type, by the address of its `type_info`: there is one of
/// each in a program.
size_t number_of_type(const std::type_info* info) {
  static const auto numbers = [] {
    std::unordered_map<const std::type_info*, size_t> out;
    for (size_t i = 0; i < type_count; ++i)
      out[types()[i].info] = i;
    return out;
  }();
  auto found = numbers.find(info);
  return found == numbers.end() ? type_count : found->second;
}

const std::map<std::string_view, size_t>& numbers_by_name() {
  static const auto numbers = [] {
    std::map<std::string_view, size_t> out;
    for (size_t i = 0; i < type_count; ++i)
      out[types()[i].name] = i;
    return out;
  }();
  return numbers;
}

template <class T>
void put_type(std::string& to) {
  put_varint(to, caf::type_id<T>::value - block::begin);
}

void write_once(std::string& to, const caf::type_erased_tuple& what,
                writing_context& context, std::vector<text_place>* unseen) {
  message_writer writer{to, context, unseen};
  if (what.size() != 1) {
    put_type<foreign_message>(to);
    writer.put(foreign_message{what.stringify()});
    return;
  }
  auto type = what.type(0);
  if (type.first == 0) {
    auto number = number_of_type(type.second);
    if (number < type_count) {
      put_varint(to, number);
      types()[number].write(writer, what.get(0));
      return;
    }
  } else if (what.match_element<caf::down_msg>(0)) {
    const auto& x = what.get_as<caf::down_msg>(0);
    put_type<peer_down>(to);
    writer.put_end(x.source, x.reason);
    return;
  } else if (what.match_element<caf::exit_msg>(0)) {
    const auto& x = what.get_as<caf::exit_msg>(0);
    put_type<exit_told>(to);
    writer.put_end(x.source, x.reason);
    return;
  }
  put_type<foreign_message>(to);
  writer.put(foreign_message{caf::to_string(type)});
}

} // namespace

const std::vector<std::string_view>& message_type_names() {
  static const auto names = [] {
    std::vector<std::string_view> out;
    for (const auto& x : types())
      out.push_back(x.name);
    return out;
  }();
  return names;
}

void write_message(std::string& to, const caf::type_erased_tuple& what,
                   writing_context& context) {
  // Texts are looked at when all secrets of the message are known, since these
  // may stand in them; most have none.
  thread_local std::vector<text_place> places;
  places.clear();
  auto begin = to.size();
  write_once(to, what, context, &places);
  if (!context.hides()
      || std::none_of(places.begin(), places.end(), [&](const text_place& x) {
           return context.secrets().finds(
             std::string_view{to}.substr(x.at, x.size));
         }))
    return;
  to.resize(begin);
  write_once(to, what, context, nullptr);
}

read_message_result read_message(std::string_view bytes,
                                 const std::vector<std::string>& types_there,
                                 const role_lookup& roles) {
  read_message_result out;
  uint64_t number = 0;
  if (!take_varint(bytes, number) || number >= types_there.size()) {
    out.problem = "the type of the message is not one of the recording's";
    return out;
  }
  out.type = types_there[number];
  auto found = numbers_by_name().find(out.type);
  if (found == numbers_by_name().end()) {
    out.problem = "this muster knows no message of the type " + out.type
                  + ": another version has recorded it";
    return out;
  }
  message_reader reader{bytes, roles};
  auto what = types()[found->second].read(reader);
  out.problem = reader.problem();
  if (out.problem.empty())
    out.what = std::move(what);
  return out;
}

std::string opaque_text(std::string_view text, const secret_book& secrets) {
  return fmt::format("<{} bytes #{:016x}>", text.size(),
                     secrets.fingerprint(text));
}

} // namespace muster
