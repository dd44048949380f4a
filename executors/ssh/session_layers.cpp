#include "executors/ssh/methods.hpp"
#include "executors/ssh/session.hpp"

#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

// A session's way up to its channels: TCP, banner, key exchange, host key,
// login.

namespace muster::ssh {

namespace {

/// libssh2 counts in whole seconds and sends none earlier than this.
constexpr std::chrono::seconds keepalive_min{2};

} // namespace

/// Tries the next address; with none left the layer has failed.
void session::connect_next() {
  if (connecting_fd_ >= 0)
    close(std::exchange(connecting_fd_, -1));
  while (endpoint_next_ < endpoints_.size()) {
    auto left = static_cast<int>(endpoints_.size() - endpoint_next_);
    const auto& to = endpoints_[endpoint_next_++];
    endpoint_until_ = now_ + (layer_until_ - now_) / left;
    connecting_fd_ = socket(to.storage.ss_family,
                            SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connecting_fd_ < 0) {
      connect_error_ = errno;
      continue;
    }
    auto* where = reinterpret_cast<const sockaddr*>(&to.storage);
    if (::connect(connecting_fd_, where, to.size) != 0
        && errno != EINPROGRESS) {
      connect_error_ = errno;
      close(std::exchange(connecting_fd_, -1));
      continue;
    }
    epoll_event event = {};
    event.events = interest_ = EPOLLOUT;
    event.data.ptr = this;
    epoll_ctl(around_.epoll, EPOLL_CTL_ADD, connecting_fd_, &event);
    return;
  }
  auto why = tcp_failed(at_, connect_error_);
  end(why);
}

bool session::step_tcp() {
  if (connecting_fd_ < 0)
    return false;
  sockaddr_storage peer = {};
  socklen_t size = sizeof peer;
  if (getpeername(connecting_fd_, reinterpret_cast<sockaddr*>(&peer), &size)
      == 0) {
    connected();
    return !over();
  }
  int error = 0;
  size = sizeof error;
  getsockopt(connecting_fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0)
    return false; // still under way
  connect_error_ = error;
  connect_next();
  return !over();
}

void session::connected() {
  handle_.socket.adopt(std::exchange(connecting_fd_, -1), now_);
  handle_.socket.begin_visit(around_.options.visit_bytes, now_);
  enter(phase::banner, around_.options.banner_timeout);
  auto pinned = parse_host_key(to_.pinned);
  if (!to_.pinned.empty() && !pinned) {
    end(pinned_key_unreadable(at_, to_.pinned));
    return;
  }
  if (!handle_.create(pinned ? pinned->type : ""))
    end({connection_errc::handshake_failed,
         "key exchange: libssh2 on this machine lacks the methods that "
         "muster needs: install libssh2 1.10 or newer"});
}

bool session::step_handshake() {
  auto code = libssh2_session_handshake(handle_.get(), handle_.socket.fd());
  if (phase_ == phase::banner
      && libssh2_session_banner_get(handle_.get()) != nullptr
      && handle_.socket.head().find("SSH-") != std::string::npos)
    enter(phase::key_exchange, around_.options.key_exchange_timeout);
  if (code == LIBSSH2_ERROR_EAGAIN && handle_.socket.end().empty())
    return false;
  if (code != 0) {
    handshake_broken();
    return false;
  }
  if (!check_host_key())
    return false;
  handle_.socket.forget_head();
  enter(phase::authentication, around_.options.authentication_timeout);
  login_.emplace(handle_, to_.user, std::exchange(to_.key, nullptr));
  return true;
}

void session::handshake_broken() {
  if (login_ && login_->key_refused()) {
    end(not_authenticated(at_, to_.user, login_->credential(),
                          login_->methods()));
    return;
  }
  if (auto offer = parse_offer(handle_.socket.head())) {
    if (auto missing = missing_method(*offer); !missing.empty()) {
      end({connection_errc::handshake_failed,
           "key exchange: with " + at_ + ": " + missing});
      return;
    }
  }
  end(layer_broken(current_layer(), at_, handle_.broken_text(), said()));
}

bool session::check_host_key() {
  size_t size = 0;
  int type = 0;
  const char* blob = libssh2_session_hostkey(handle_.get(), &size, &type);
  auto presented
    = blob == nullptr ? std::nullopt : host_key_of_blob({blob, size});
  if (!presented) {
    end({connection_errc::handshake_failed,
         "host key: " + at_ + " presented none that can be read"});
    return false;
  }
  host_key_ = to_text(*presented);
  if (to_.pinned.empty())
    return true;
  auto pinned = parse_host_key(to_.pinned);
  if (pinned == presented)
    return true;
  end(host_key_differs(at_, *presented, *pinned));
  return false;
}

bool session::step_authentication() {
  switch (login_->step()) {
    case authenticator::outcome::waiting:
      if (!handle_.socket.end().empty())
        handshake_broken();
      return false;
    case authenticator::outcome::broken:
      handshake_broken();
      return false;
    case authenticator::outcome::refused:
      end(not_authenticated(at_, to_.user, login_->credential(),
                            login_->methods()));
      return false;
    case authenticator::outcome::done:
      break;
  }
  login_.reset();
  handle_.password.clear();
  phase_ = phase::established;
  // Our own timer decides when; libssh2 would only hold back what comes
  // earlier.
  libssh2_keepalive_config(handle_.get(), 1,
                           static_cast<unsigned>(keepalive_min.count()));
  keepalive_sent_ = now_;
  keepalive_due_ = now_ + keepalive_interval();
  ++around_.counts.connections;
  sink_->connected(host_key_);
  return true;
}

} // namespace muster::ssh
