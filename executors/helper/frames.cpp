#include "executors/helper/frames.hpp"

#include <exception>
#include <lz4.h>
#include <type_traits>
#include <utility>

namespace muster::frames {

namespace {

constexpr size_t size_bytes = 4;
constexpr size_t output_head_bytes
  = 18; ///< an output's type, record, time, stream
// The least that encoded elements of a list can have. [bytes]
constexpr size_t stage_size_min = 48;
constexpr size_t text_size_min = 4;
constexpr size_t service_size_min = 37;
constexpr size_t volume_size_min = 13;

/// Integers are put together from bytes: the compiler makes one instruction of
/// it, and the order does not depend on the machine.
template <class T>
void put(std::string& to, T value) {
  using bits_type = std::make_unsigned_t<T>;
  auto bits = static_cast<bits_type>(value);
  char bytes[sizeof(T)];
  for (size_t i = 0; i < sizeof(T); ++i)
    bytes[i] = static_cast<char>(bits >> (8 * i));
  to.append(bytes, sizeof(T));
}

template <class T>
T get_raw(std::string_view from) {
  using bits_type = std::make_unsigned_t<T>;
  bits_type bits = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    bits = static_cast<bits_type>(
      bits
      | (static_cast<bits_type>(static_cast<uint8_t>(from[i])) << (8 * i)));
  return static_cast<T>(bits);
}

void put_text(std::string& to, std::string_view text) {
  put(to, static_cast<uint32_t>(text.size()));
  to.append(text);
}

template <class Enum>
void put_enum(std::string& to, Enum value) {
  put(to, static_cast<uint8_t>(value));
}

/// Takes fields from a body; once something does not fit, everything after it
/// reads as zero or empty and `failed` stays set.
class reader {
public:
  explicit reader(std::string_view body) : left_(body) {
  }

  template <class T>
  void get(T& value) {
    if (left_.size() < sizeof(T)) {
      fail();
      return;
    }
    value = get_raw<T>(left_);
    left_.remove_prefix(sizeof(T));
  }

  void get(bool& value) {
    uint8_t byte = 0;
    get(byte);
    value = byte == 1;
    failed_ = failed_ || byte > 1;
  }

  void get(std::string& text) {
    uint32_t size = 0;
    get(size);
    if (size > left_.size()) {
      fail();
      return;
    }
    text.assign(left_.substr(0, size));
    left_.remove_prefix(size);
  }

  /// Takes an enumeration whose values are without gaps from `first` to `last`.
  template <class Enum>
  void get(Enum& value, Enum first, Enum last) {
    uint8_t byte = 0;
    get(byte);
    if (byte < static_cast<uint8_t>(first) || byte > static_cast<uint8_t>(last))
      fail();
    else
      value = static_cast<Enum>(byte);
  }

  std::string_view take_rest() {
    return std::exchange(left_, {});
  }

  size_t left() const {
    return left_.size();
  }

  void fail() {
    failed_ = true;
    left_ = {};
  }

  /// Everything was there and nothing is left over.
  bool whole() const {
    return !failed_ && left_.empty();
  }

private:
  std::string_view left_;
  bool failed_ = false;
};

// -- bodies: `write` and `read` of a frame stand together ---------------------

void write(std::string& to, const hello& x) {
  put(to, x.version);
}

void read(reader& from, hello& x) {
  from.get(x.version);
}

void write(std::string& to, const stage_plan& x) {
  put_text(to, x.name);
  put_text(to, x.heading);
  put_text(to, x.script);
  put_enum(to, x.condition);
  put_enum(to, x.phase);
  put(to, x.attempts_max);
  put_text(to, x.before_retry);
  put(to, x.timeout_ms);
  put_enum(to, x.failure_counts);
  put_enum(to, x.status_variable);
  put(to, x.retry_pause_ms);
  put(to, x.retry_pause_max_ms);
}

/// What the enumerations of a plan go up to.
struct plan_bounds {
  stage_condition condition = stage_condition::on_failure;
  stage_phase phase = stage_phase::archive;
};

constexpr plan_bounds bounds_v1{stage_condition::always, stage_phase::cleanup};

void read(reader& from, stage_plan& x, const plan_bounds& bounds) {
  from.get(x.name);
  from.get(x.heading);
  from.get(x.script);
  from.get(x.condition, stage_condition::on_success, bounds.condition);
  from.get(x.phase, stage_phase::prepare, bounds.phase);
  from.get(x.attempts_max);
  from.get(x.before_retry);
  from.get(x.timeout_ms);
  from.get(x.failure_counts);
  from.get(x.status_variable);
  from.get(x.retry_pause_ms);
  from.get(x.retry_pause_max_ms);
}

void write_stages(std::string& to, const job_plan& plan) {
  put(to, static_cast<uint32_t>(plan.stages.size()));
  for (const auto& stage : plan.stages)
    write(to, stage);
}

void read_stages(reader& from, job_plan& plan, const plan_bounds& bounds) {
  uint32_t count = 0;
  from.get(count);
  if (count > stages_max || count > from.left() / stage_size_min) {
    from.fail();
    return;
  }
  plan.stages.resize(count);
  for (auto& stage : plan.stages)
    read(from, stage, bounds);
}

void write(std::string& to, const run_v1& x) {
  put_text(to, x.plan.key);
  put_text(to, x.plan.shell);
  put(to, x.plan.timeout_ms);
  put_text(to, x.plan.temp_dir);
  write_stages(to, x.plan);
}

void read(reader& from, run_v1& x) {
  from.get(x.plan.key);
  from.get(x.plan.shell);
  from.get(x.plan.timeout_ms);
  from.get(x.plan.temp_dir);
  read_stages(from, x.plan, bounds_v1);
}

void write(std::string& to, const run& x) {
  put_text(to, x.plan.key);
  put_text(to, x.plan.shell);
  put(to, x.plan.timeout_ms);
  put(to, x.plan.steps_timeout_ms);
  put_text(to, x.plan.temp_dir);
  write_stages(to, x.plan);
}

void read(reader& from, run& x) {
  from.get(x.plan.key);
  from.get(x.plan.shell);
  from.get(x.plan.timeout_ms);
  from.get(x.plan.steps_timeout_ms);
  from.get(x.plan.temp_dir);
  read_stages(from, x.plan, {});
}

// The containers of a plan. `read_list` believes a count only as far as its
// elements can be there.

void write(std::string& to, const std::string& x) {
  put_text(to, x);
}

void read(reader& from, std::string& x) {
  from.get(x);
}

void write(std::string& to, const secret& x) {
  put_text(to, x.reveal());
}

void read(reader& from, secret& x) {
  std::string text;
  from.get(text);
  x = secret{std::move(text)};
}

void write(std::string& to, pull_policy x) {
  put_enum(to, x);
}

void read(reader& from, pull_policy& x) {
  from.get(x, pull_policy::always, pull_policy::never);
}

void write(std::string& to, const service_request& x);
void read(reader& from, service_request& x);
void write(std::string& to, const volume_request& x);
void read(reader& from, volume_request& x);

template <class T>
void write_list(std::string& to, const std::vector<T>& list) {
  put(to, static_cast<uint32_t>(list.size()));
  for (const auto& x : list)
    write(to, x);
}

/// @param size_min of an encoded element [bytes]
template <class T>
void read_list(reader& from, std::vector<T>& list, size_t size_min) {
  uint32_t count = 0;
  from.get(count);
  if (count > services_max || count > from.left() / size_min) {
    from.fail();
    return;
  }
  list.resize(count);
  for (auto& x : list)
    read(from, x);
}

void write(std::string& to, const image_request& x) {
  put_text(to, x.name);
  put_text(to, x.platform);
  write_list(to, x.policies);
  put_enum(to, x.kept);
  write(to, x.auth);
  put_text(to, x.auth_source);
}

void read(reader& from, image_request& x) {
  from.get(x.name);
  from.get(x.platform);
  read_list(from, x.policies, 1);
  from.get(x.kept);
  read(from, x.auth);
  from.get(x.auth_source);
}

void write(std::string& to, const container_request& x) {
  put_text(to, x.name);
  write(to, x.image);
  write(to, x.body);
}

void read(reader& from, container_request& x) {
  from.get(x.name);
  read(from, x.image);
  read(from, x.body);
}

void write(std::string& to, const service_request& x) {
  write(to, x.container);
  put_text(to, x.label);
  write_list(to, x.aliases);
}

void read(reader& from, service_request& x) {
  read(from, x.container);
  from.get(x.label);
  read_list(from, x.aliases, text_size_min);
}

void write(std::string& to, const volume_request& x) {
  put_text(to, x.name);
  put_text(to, x.destination);
  put_text(to, x.body);
  put_enum(to, x.temporary);
}

void read(reader& from, volume_request& x) {
  from.get(x.name);
  from.get(x.destination);
  from.get(x.body);
  from.get(x.temporary);
}

void write(std::string& to, const network_request& x) {
  put_text(to, x.name);
  put_text(to, x.body);
}

void read(reader& from, network_request& x) {
  from.get(x.name);
  from.get(x.body);
}

void write(std::string& to, const container_plan& x) {
  put_text(to, x.host);
  put_text(to, x.api_version);
  put_text(to, x.job_label);
  write(to, x.helper);
  write(to, x.build);
  write_list(to, x.services);
  write_list(to, x.volumes);
  put_enum(to, x.network.has_value());
  if (x.network)
    write(to, *x.network);
  put(to, x.services_timeout_ms);
  put_enum(to, x.services_logs);
  put_enum(to, x.keep_anonymous_volumes);
  write_list(to, x.given_to_user);
}

void read(reader& from, container_plan& x) {
  from.get(x.host);
  from.get(x.api_version);
  from.get(x.job_label);
  read(from, x.helper);
  read(from, x.build);
  read_list(from, x.services, service_size_min);
  read_list(from, x.volumes, volume_size_min);
  bool has_network = false;
  from.get(has_network);
  if (has_network)
    read(from, x.network.emplace());
  from.get(x.services_timeout_ms);
  from.get(x.services_logs);
  from.get(x.keep_anonymous_volumes);
  read_list(from, x.given_to_user, text_size_min);
}

/// A plan as `run` has it, the places of its stages and its containers.
void write(std::string& to, const run_containers& x) {
  write(to, run{x.plan});
  for (const auto& stage : x.plan.stages)
    put_enum(to, stage.place);
  write(to, x.plan.containers.value_or(container_plan{}));
}

void read(reader& from, run_containers& x) {
  run same;
  read(from, same);
  x.plan = std::move(same.plan);
  for (auto& stage : x.plan.stages)
    from.get(stage.place, stage_place::host, stage_place::build);
  read(from, x.plan.containers.emplace());
}

void write(std::string& to, const attach& x) {
  put_text(to, x.key);
  put(to, x.record);
}

void read(reader& from, attach& x) {
  from.get(x.key);
  from.get(x.record);
}

void write(std::string& to, const cancel& x) {
  put_text(to, x.key);
  put_enum(to, x.mode);
}

void read(reader& from, cancel& x) {
  from.get(x.key);
  from.get(x.mode, cancel_mode::graceful, cancel_mode::now);
}

void write(std::string& to, const clean& x) {
  put_text(to, x.key);
}

void read(reader& from, clean& x) {
  from.get(x.key);
}

void write(std::string&, const ping&) {
}

void read(reader&, ping&) {
}

void write(std::string& to, const welcome& x) {
  put(to, x.version);
  put_text(to, x.build);
}

void read(reader& from, welcome& x) {
  from.get(x.version);
  from.get(x.build);
}

void write(std::string& to, const accepted& x) {
  put_text(to, x.key);
}

void read(reader& from, accepted& x) {
  from.get(x.key);
}

void write(std::string& to, const refused& x) {
  put_text(to, x.key);
  put_enum(to, x.code);
  put_text(to, x.text);
}

void read(reader& from, refused& x) {
  from.get(x.key);
  from.get(x.code, helper_errc::bad_frame, helper_errc::failed);
  from.get(x.text);
}

void write(std::string& to, const cleaned& x) {
  put_text(to, x.key);
  put_enum(to, x.clean);
  put_text(to, x.text);
}

void read(reader& from, cleaned& x) {
  from.get(x.key);
  from.get(x.clean);
  from.get(x.text);
}

void write(std::string&, const pong&) {
}

void read(reader&, pong&) {
}

void write(std::string& to, const stage_begun& x) {
  put(to, x.record);
  put(to, x.time_us);
  put(to, x.stage);
  put(to, x.attempt);
}

void read(reader& from, stage_begun& x) {
  from.get(x.record);
  from.get(x.time_us);
  from.get(x.stage);
  from.get(x.attempt);
}

void write(std::string& to, const output& x) {
  put(to, x.record);
  put(to, x.time_us);
  put_enum(to, x.stream);
  to.append(x.bytes, 0, output_size_max);
}

void read(reader& from, output& x) {
  from.get(x.record);
  from.get(x.time_us);
  from.get(x.stream, output_stream::out, output_stream::err);
  if (from.left() > output_size_max)
    from.fail();
  else
    x.bytes.assign(from.take_rest());
}

void write(std::string& to, const stage_ended& x) {
  put(to, x.record);
  put(to, x.time_us);
  put(to, x.stage);
  put(to, x.attempt);
  put_enum(to, x.outcome);
  put(to, x.exit_code);
  put_text(to, x.text);
}

void read(reader& from, stage_ended& x) {
  from.get(x.record);
  from.get(x.time_us);
  from.get(x.stage);
  from.get(x.attempt);
  from.get(x.outcome, plan_outcome::success, plan_outcome::dependency_failed);
  from.get(x.exit_code);
  from.get(x.text);
}

void write(std::string& to, const job_ended& x) {
  put(to, x.record);
  put(to, x.time_us);
  put_enum(to, x.outcome);
  put(to, x.stage);
  put(to, x.exit_code);
  put(to, x.dropped_bytes);
  put_text(to, x.text);
}

void read(reader& from, job_ended& x) {
  from.get(x.record);
  from.get(x.time_us);
  from.get(x.outcome, plan_outcome::success, plan_outcome::dependency_failed);
  from.get(x.stage);
  from.get(x.exit_code);
  from.get(x.dropped_bytes);
  from.get(x.text);
}

void write(std::string&, const pack&) {
}

void read(reader&, pack&) {
}

void write(std::string& to, const packed& x) {
  put(to, x.size);
  to.append(x.bytes);
}

void read(reader& from, packed& x) {
  from.get(x.size);
  x.bytes = from.take_rest();
}

// -- frames -------------------------------------------------------------------

template <class T, size_t Index = 0>
constexpr uint8_t type_of() {
  if constexpr (std::is_same_v<std::variant_alternative_t<Index, frame>, T>)
    return Index + 1;
  else
    return type_of<T, Index + 1>();
}

constexpr uint8_t output_type = type_of<output>();
constexpr uint8_t packed_type = type_of<packed>();

/// Writes the size of the frame that begins at `begin` and ends at the end.
void put_size(std::string& to, size_t begin) {
  auto size = static_cast<uint32_t>(to.size() - begin - size_bytes);
  for (size_t i = 0; i < size_bytes; ++i)
    to[begin + i] = static_cast<char>(size >> (8 * i));
}

template <size_t Index>
bool read_as(std::string_view body, frame& to) {
  reader from{body};
  read(from, to.emplace<Index>());
  return from.whole();
}

template <size_t... Index>
bool read_frame(size_t type, std::string_view body, frame& to,
                std::index_sequence<Index...>) {
  return ((type == Index + 1 && read_as<Index>(body, to)) || ...);
}

} // namespace

std::string encode(const frame& x) {
  std::string to(size_bytes, '\0');
  put(to, static_cast<uint8_t>(x.index() + 1));
  std::visit([&to](const auto& body) { write(to, body); }, x);
  put_size(to, 0);
  return to;
}

frame run_of(job_plan plan) {
  if (plan.containers)
    return run_containers{std::move(plan)};
  return run{std::move(plan)};
}

std::optional<job_plan> containers_plan_of(std::string_view bytes) {
  decoder from;
  from.feed(bytes);
  auto x = from.next();
  if (!x || !*x || !std::holds_alternative<run_containers>(**x))
    return std::nullopt;
  return std::move(std::get<run_containers>(**x).plan);
}

uint32_t version_of(const job_plan& plan) {
  return plan.containers ? 3 : 2;
}

void append_output(std::string& to, uint64_t record, int64_t time_us,
                   output_stream stream, std::string_view bytes) {
  put(to, static_cast<uint32_t>(bytes.size() + output_head_bytes));
  put(to, output_type);
  put(to, record);
  put(to, time_us);
  put_enum(to, stream);
  to.append(bytes);
}

std::optional<std::string> packed_frame(std::string_view frames) {
  packed x;
  x.size = static_cast<uint32_t>(frames.size());
  x.bytes.resize(frames.size() - frames.size() / 8);
  auto size = LZ4_compress_default(frames.data(), x.bytes.data(),
                                   static_cast<int>(frames.size()),
                                   static_cast<int>(x.bytes.size()));
  if (size <= 0)
    return std::nullopt;
  x.bytes.resize(static_cast<size_t>(size));
  return encode(frame{std::move(x)});
}

std::string_view whole_frames(std::string_view bytes, size_t size_max) {
  size_t end = 0;
  while (bytes.size() - end >= size_bytes) {
    auto size = size_bytes + get_raw<uint32_t>(bytes.substr(end));
    if (size > bytes.size() - end || end + size > size_max)
      break;
    end += size;
  }
  return bytes.substr(0, end);
}

void decoder::feed(std::string_view bytes) {
  try {
    if (used_ > 0 && used_ >= buffer_.size() / 2) {
      buffer_.erase(0, used_);
      used_ = 0;
    }
    buffer_.append(bytes);
  } catch (const std::exception&) {
    broken_ = true;
  }
}

result<std::optional<frame>, helper_errc> decoder::next() {
  auto bad = [this](const char* why) {
    broken_ = true;
    return fail(helper_errc::bad_frame,
                std::string{"helper stream: "} + why
                  + "; the connection cannot be used any more");
  };
  if (broken_)
    return bad("damaged before, or no memory for its frame");
  try {
    for (;;) {
      bool inside = unpacked_used_ < unpacked_.size();
      auto left
        = inside ? std::string_view{unpacked_}.substr(unpacked_used_) : rest();
      if (!inside && left.size() < size_bytes)
        return std::optional<frame>{};
      size_t size = left.size() < size_bytes ? 0 : get_raw<uint32_t>(left);
      if (size == 0 || size > frame_size_max)
        return bad("a frame of an impossible size");
      if (left.size() - size_bytes < size) {
        if (inside)
          return bad("a packed frame that is not whole");
        return std::optional<frame>{};
      }
      auto type = static_cast<uint8_t>(left[size_bytes]);
      auto body = left.substr(size_bytes + 1, size - 1);
      if (type == packed_type) {
        if (inside || !unpack(body))
          return bad("packed frames that are damaged");
        use(size_bytes + size);
        continue;
      }
      std::optional<frame> x{std::in_place};
      if (!read_frame(type, body, *x,
                      std::make_index_sequence<std::variant_size_v<frame>>{}))
        return bad("a frame of an unknown type or with a damaged body");
      if (inside)
        unpacked_used_ += size_bytes + size;
      else
        use(size_bytes + size);
      return x;
    }
  } catch (const std::exception&) {
    return bad("no memory for its frame");
  }
}

void decoder::use(size_t bytes) {
  used_ += bytes;
  if (used_ == buffer_.size()) {
    buffer_.clear();
    used_ = 0;
  }
}

bool decoder::unpack(std::string_view body) {
  reader from{body};
  uint32_t size = 0;
  from.get(size);
  auto block = from.take_rest();
  if (size == 0 || size > packed_size_max || block.empty())
    return false;
  unpacked_.resize(size);
  unpacked_used_ = 0;
  expansion_ = 1 + size / block.size();
  return LZ4_decompress_safe(block.data(), unpacked_.data(),
                             static_cast<int>(block.size()),
                             static_cast<int>(size))
         == static_cast<int>(size);
}

} // namespace muster::frames
