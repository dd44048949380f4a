#pragma once

#include "messages/result.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace muster::docker {

using deadline = std::chrono::steady_clock::time_point;

/// What a caller can do about a call to an Engine that failed.
enum class engine_errc : uint8_t {
  unreachable = 1, ///< no connection: nobody listens, no right, no such host
  lost,            ///< the connection broke before the answer was whole
  timed_out,
  bad_answer,  ///< bytes that no Engine says
  bad_request, ///< 400: what is wanted cannot be
  not_found,   ///< 404
  conflict,    ///< 409
  refused,     ///< another status that is no success
};

template <class T>
using engine_result = result<T, engine_errc>;

/// A stream of bytes to an Engine. Waits until a deadline; may be read by one
/// thread and written by another.
class byte_stream {
public:
  byte_stream() = default;
  byte_stream(const byte_stream&) = delete;
  byte_stream& operator=(const byte_stream&) = delete;
  virtual ~byte_stream() = default;

  /// Returns how many bytes came; 0 is the end. Errors: `lost`, `timed_out`.
  virtual engine_result<size_t> read(char* to, size_t size, deadline until) = 0;

  /// Errors: `lost`, `timed_out`.
  virtual engine_result<void> write(std::string_view bytes, deadline until) = 0;

  /// Says that nothing more is going to be written; reading goes on.
  virtual void end_writing() = 0;

  /// Ends both ways: who waits for the stream, in whichever thread, comes back.
  virtual void shut_down() = 0;
};

/// Makes streams to one Engine; from any thread.
class dialer {
public:
  dialer() = default;
  dialer(const dialer&) = delete;
  dialer& operator=(const dialer&) = delete;
  virtual ~dialer() = default;

  /// Errors: `unreachable`; the text says where, why and what to do.
  virtual engine_result<std::unique_ptr<byte_stream>> dial() = 0;
};

} // namespace muster::docker
