#include "executors/ssh/handle.hpp"

#include "executors/ssh/methods.hpp"
#include "executors/ssh/wire.hpp"

#include <cstdlib>

namespace muster::ssh {

namespace {

/// libssh2 takes sizes from the peer: no packet needs more than this, and
/// zeroed memory ends the texts that it forgets to end (exit-signal).
constexpr size_t allocation_bytes_max = 4 * 1024 * 1024;

void* allocate(size_t size, void**) {
  return size > allocation_bytes_max ? nullptr : std::calloc(1, size);
}

void* reallocate(void* old, size_t size, void**) {
  return size > allocation_bytes_max ? nullptr : std::realloc(old, size);
}

void release(void* memory, void**) {
  std::free(memory);
}

handle& self_of(void** abstract) {
  return *static_cast<handle*>(*abstract);
}

ssize_t on_receive(libssh2_socket_t, void* buffer, size_t size, int flags,
                   void** abstract) {
  return self_of(abstract).socket.receive(buffer, size, flags);
}

ssize_t on_send(libssh2_socket_t, const void* bytes, size_t size, int,
                void** abstract) {
  return self_of(abstract).socket.send(bytes, size);
}

void on_disconnect(LIBSSH2_SESSION*, int, const char* message, int message_size,
                   const char*, int, void** abstract) {
  if (message != nullptr && message_size > 0)
    self_of(abstract).disconnect_text
      = printable({message, static_cast<size_t>(message_size)});
}

} // namespace

handle::~handle() {
  socket.mute();
  // Muted, nothing is left to wait for: a second call is already one too many.
  for (int i = 0; session_ != nullptr && i < 8; ++i) {
    if (libssh2_session_free(session_) != LIBSSH2_ERROR_EAGAIN)
      session_ = nullptr;
  }
}

bool handle::create(std::string_view pinned_type) {
  session_ = libssh2_session_init_ex(allocate, release, reallocate, this);
  if (session_ == nullptr)
    return false;
  libssh2_session_set_blocking(session_, 0);
  libssh2_session_callback_set(session_, LIBSSH2_CALLBACK_RECV,
                               reinterpret_cast<void*>(on_receive));
  libssh2_session_callback_set(session_, LIBSSH2_CALLBACK_SEND,
                               reinterpret_cast<void*>(on_send));
  libssh2_session_callback_set(session_, LIBSSH2_CALLBACK_DISCONNECT,
                               reinterpret_cast<void*>(on_disconnect));
  return restrict_methods(session_, pinned_type);
}

std::string handle::error_text() const {
  char* text = nullptr;
  int size = 0;
  if (libssh2_session_last_error(session_, &text, &size, 0) == 0
      || text == nullptr)
    return "unknown error";
  return printable({text, static_cast<size_t>(size)});
}

std::string handle::broken_text() const {
  if (!disconnect_text.empty())
    return "disconnected (\"" + disconnect_text + "\")";
  if (!socket.end().empty())
    return socket.end();
  return "broke the protocol (" + error_text() + ")";
}

bool is_channel_error(int code) {
  switch (code) {
    case LIBSSH2_ERROR_CHANNEL_OUTOFORDER:
    case LIBSSH2_ERROR_CHANNEL_FAILURE:
    case LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED:
    case LIBSSH2_ERROR_CHANNEL_UNKNOWN:
    case LIBSSH2_ERROR_CHANNEL_WINDOW_EXCEEDED:
    case LIBSSH2_ERROR_CHANNEL_PACKET_EXCEEDED:
    case LIBSSH2_ERROR_CHANNEL_CLOSED:
    case LIBSSH2_ERROR_CHANNEL_EOF_SENT:
      return true;
    default:
      return false;
  }
}

} // namespace muster::ssh
