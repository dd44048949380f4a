#pragma once

#include "messages/error_codes.hpp"
#include "messages/plan.hpp"
#include "messages/result.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace muster::frames {

/// Spoken over the helper's unix socket, both ways. A frame is
/// `u32 size | u8 type | body`; integers are little endian and `size` counts
/// type and body. A text is a `u32` length and its bytes; the one that ends an
/// `output` has no length. The side that connects says `hello` first. A newer
/// version than one's own is refused in words (`refused`), an older one is
/// served: the layout of a frame never changes, a later version adds types. Who
/// connects names the lowest version that has what it is going to say, so that
/// a helper of an earlier muster is still attached to.
///
/// Version 2: `run`, where version 1 had `run_v1`. Version 3: `run_containers`
/// and `pack`.
constexpr uint32_t version = 3;
constexpr uint32_t version_min = 1;   ///< has all but what is named above
constexpr uint32_t version_packs = 3; ///< has `pack`
constexpr size_t frame_size_max = 64u << 20;   ///< [bytes]
constexpr size_t output_size_max = 64u << 10;  ///< of `output::bytes` [bytes]
constexpr size_t stages_max = 1'000;           ///< in a plan [stages]
constexpr size_t packed_size_max = 128u << 10; ///< of what is in it [bytes]
constexpr size_t services_max = 1'000;         ///< in a plan; volumes as well

// -- manager to helper --------------------------------------------------------

struct hello {
  uint32_t version = frames::version;
};

/// Carries out a plan and streams its records on this connection from record 0.
/// Answered by `accepted` or `refused`. A key that is already known is attached
/// to instead: a plan is never carried out twice.
struct run {
  job_plan plan;
};

/// The same from a manager of version 1: without a time for all steps together,
/// and without the conditions and phases that came later.
struct run_v1 {
  job_plan plan;
};

/// The same for a plan with `containers`, whose stages have a place.
struct run_containers {
  job_plan plan;
};

/// Streams the records of a job from `record` on. Answered by `accepted`, or by
/// `refused` with `unknown_key`.
struct attach {
  std::string key;
  uint64_t record = 0;
};

struct cancel {
  std::string key;
  cancel_mode mode = cancel_mode::graceful;
};

/// Ends whatever is left of a job (processes, file variables, spool) and
/// forgets it. Answered by `cleaned`; an unknown key is looked for among the
/// processes of the host all the same.
struct clean {
  std::string key;
};

/// Answered by `pong`: the helper is alive.
struct ping {};

/// Whoever says this takes `packed` from now on. Not answered. Only for a
/// helper that has welcomed with `version_packs` or later.
struct pack {};

// -- helper to manager --------------------------------------------------------

struct welcome {
  uint32_t version = frames::version;
  std::string build; ///< version text of the helper
};

struct accepted {
  std::string key;
};

struct refused {
  std::string key; ///< may be empty
  helper_errc code = helper_errc::failed;
  std::string text;
};

struct cleaned {
  std::string key;
  bool clean
    = false;        ///< false: something is left or cannot be known to be gone
  std::string text; ///< why not
};

struct pong {};

/// Some whole frames in fewer bytes, since what a job prints is enciphered and
/// deciphered byte by byte on its way. No decoder returns it: it returns what
/// is in it.
struct packed {
  uint32_t size = 0; ///< of the frames, at most `packed_size_max` [bytes]
  std::string bytes; ///< an LZ4 block
};

// -- records: kept in the job's spool, numbered from 0 without gaps -----------
// Times count from the moment when the helper took the plan, on a monotonic
// clock.

struct stage_begun {
  uint64_t record = 0;
  int64_t time_us = 0;
  uint32_t stage = 0;   ///< index into the plan
  uint32_t attempt = 1; ///< counts from 1
};

enum class output_stream : uint8_t { out = 1, err = 2 };

struct output {
  uint64_t record = 0;
  int64_t time_us = 0;
  output_stream stream = output_stream::out;
  std::string bytes; ///< at most 64 KiB
};

struct stage_ended {
  uint64_t record = 0;
  int64_t time_us = 0;
  uint32_t stage = 0;
  uint32_t attempt = 1;
  plan_outcome outcome = plan_outcome::success;
  int32_t exit_code = 0; ///< 128 + n after signal n
  std::string text;      ///< for people, where the exit code does not tell
};

/// The last record.
struct job_ended {
  uint64_t record = 0;
  int64_t time_us = 0;
  plan_outcome outcome = plan_outcome::success;
  uint32_t stage = 0;         ///< the stage that decided the outcome
  int32_t exit_code = 0;      ///< of that stage
  uint64_t dropped_bytes = 0; ///< output beyond the spool's bound [bytes]
  std::string text;
};

/// The type of a frame on the wire is its place here, counted from 1: append.
using frame
  = std::variant<hello, run_v1, attach, cancel, clean, ping, welcome, accepted,
                 refused, cleaned, pong, stage_begun, output, stage_ended,
                 job_ended, run, run_containers, pack, packed>;

/// Returns what has a plan carried out, in the lowest version that can say it.
frame run_of(job_plan plan);

/// Returns the plan of the first frame of `bytes`; nothing unless that is
/// `run_containers`.
std::optional<job_plan> containers_plan_of(std::string_view bytes);

/// Returns the version in which `run_of` says it.
uint32_t version_of(const job_plan& plan);

/// Returns the bytes of a frame, its size in front.
std::string encode(const frame& x);

/// Appends the bytes of an `output` frame without making one first: the hot
/// path.
/// @pre `bytes` is at most `output_size_max` long
void append_output(std::string& to, uint64_t record, int64_t time_us,
                   output_stream stream, std::string_view bytes);

/// Returns a `packed` frame with these, nothing if they would not shrink by an
/// eighth. @pre whole frames, at most `packed_size_max` bytes of them
std::optional<std::string> packed_frame(std::string_view frames);

/// Returns as many whole frames from the front as fit into `size_max` bytes.
std::string_view whole_frames(std::string_view bytes, size_t size_max);

/// Cuts frames out of a byte stream that arrives in pieces of any size.
/// Foreign bytes: never throws; a length is believed only when its bytes have
/// come, so that memory stays below four times the bytes received and not yet
/// taken, beside what `stages_max` empty stages and one `packed` need.
class decoder {
public:
  void feed(std::string_view bytes);

  /// Returns the next whole frame, nothing if more bytes are needed, or
  /// `bad_frame`; after an error the stream cannot be used any more.
  result<std::optional<frame>, helper_errc> next();

  /// How many times as many bytes the last `packed` had in it, at least 1.
  size_t expansion() const {
    return expansion_;
  }

  /// Returns the bytes that were fed and not yet returned as frames.
  std::string_view rest() const {
    return std::string_view{buffer_}.substr(used_);
  }

private:
  void use(size_t bytes);
  bool unpack(std::string_view body);

  std::string buffer_;
  size_t used_ = 0;
  std::string unpacked_;
  size_t unpacked_used_ = 0;
  size_t expansion_ = 1;
  bool broken_ = false;
};

} // namespace muster::frames
