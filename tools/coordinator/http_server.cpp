#include "tools/coordinator/http_server.hpp"

#include "tools/coordinator/http_stream.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <exception>
#include <fcntl.h>
#include <fmt/format.h>
#include <mutex>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace muster::gitlab {

namespace {

constexpr std::chrono::seconds keep_alive{120};
constexpr size_t requests_per_connection = 1'000'000;
constexpr size_t threads_max = 1024;
constexpr size_t body_max = size_t{256} << 20; ///< [bytes]
constexpr size_t piece_max = 64 * 1024;        ///< of `content` [bytes]
constexpr std::chrono::seconds handshake_patience{10};
constexpr std::chrono::seconds lingering{2};
constexpr int backlog = 1024; ///< the library's own is 5: too few for a burst

/// Threads as many as there are connections, up to a bound; idle ones are used
/// again. A connection holds its thread, a long poll for seconds: a fixed pool
/// would stall.
class elastic_pool : public httplib::TaskQueue {
public:
  void enqueue(std::function<void()> task) override {
    std::lock_guard guard{mutex_};
    tasks_.push_back(std::move(task));
    if (tasks_.size() > idle_ && threads_.size() < threads_max)
      threads_.emplace_back([this] { work(); });
    else
      wake_.notify_one();
  }

  void shutdown() override {
    {
      std::lock_guard guard{mutex_};
      stopped_ = true;
    }
    wake_.notify_all();
    for (auto& thread : threads_)
      thread.join();
  }

private:
  void work() {
    sigset_t broken_pipe; // OpenSSL writes without MSG_NOSIGNAL
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    std::unique_lock guard{mutex_};
    for (;;) {
      ++idle_;
      wake_.wait(guard, [this] { return stopped_ || !tasks_.empty(); });
      --idle_;
      if (tasks_.empty())
        return;
      auto task = std::move(tasks_.front());
      tasks_.pop_front();
      guard.unlock();
      task();
      guard.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
  size_t idle_ = 0;
  bool stopped_ = false;
};

/// The stream that this thread serves.
thread_local http_stream* served = nullptr;

bool has_body(const httplib::Request& req) {
  return req.has_header("Content-Length")
         || req.has_header("Transfer-Encoding");
}

/// Reads a multipart body in pieces.
bool read_parts(const httplib::ContentReader& reader, const part_reader& to) {
  return reader(
    [&to](const httplib::MultipartFormData& x) {
      return to.begin(http_part{x.name, x.filename});
    },
    [&to](const char* from, size_t size) {
      return to.bytes(std::string_view{from, size});
    });
}

/// Reads the body whole; false if it breaks off or is too large.
bool read_body(const httplib::Request& req,
               const httplib::ContentReader& reader, std::string& to) {
  auto take = [&to](const char* from, size_t size) {
    to.append(from, size);
    return to.size() <= body_max;
  };
  if (!has_body(req))
    return true; // the library would read until the connection closes
  to.reserve(std::min<size_t>(req.get_header_value<uint64_t>("Content-Length"),
                              body_max));
  return reader(take);
}

void pause_on(const http_stream& stream, std::chrono::milliseconds time) {
  auto until = std::chrono::steady_clock::now() + time;
  constexpr std::chrono::milliseconds slice{50};
  while (stream.connected()) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(
      until - std::chrono::steady_clock::now());
    if (left.count() <= 0)
      return;
    std::this_thread::sleep_for(std::min(left, slice));
  }
}

http_request to_request(const httplib::Request& req, std::string&& body) {
  http_request result;
  result.method = req.method;
  result.path = req.path;
  result.query.assign(req.params.begin(), req.params.end());
  result.headers.assign(req.headers.begin(), req.headers.end());
  result.body = std::move(body);
  result.connected = [stream = served] { return stream->connected(); };
  result.pause = [stream = served](std::chrono::milliseconds time) {
    pause_on(*stream, time);
  };
  return result;
}

void fill(httplib::Response& res, http_response&& answer) {
  res.status = answer.status;
  for (const auto& [name, value] : answer.headers)
    res.headers.emplace(name, value);
  switch (answer.ending) {
    case http_ending::normal:
      break;
    case http_ending::half:
      if (!answer.content)
        served->cut_tail(answer.body.size() - answer.body.size() / 2);
      break;
    case http_ending::close:
    case http_ending::reset:
      served->discard_output();
      break;
  }
  if (answer.stream) {
    res.set_chunked_content_provider(
      answer.content_type,
      [next = std::move(answer.stream)](size_t, httplib::DataSink& sink) {
        auto piece = next();
        if (piece.empty()) {
          sink.done();
          return true;
        }
        return sink.write(piece.data(), piece.size());
      });
  } else if (answer.content) {
    // Half of it: the length is told, and the connection closed in the middle.
    auto stop = answer.ending == http_ending::half ? answer.content_size / 2
                                                   : answer.content_size;
    res.set_content_provider(
      answer.content_size, answer.content_type,
      [next = std::move(answer.content), stop](size_t offset, size_t,
                                               httplib::DataSink& sink) {
        auto size = std::min<uint64_t>(piece_max, stop - offset);
        auto piece = size == 0 ? std::string{} : next(offset, size);
        return !piece.empty() && sink.write(piece.data(), piece.size());
      });
  } else if (!answer.content_type.empty() || !answer.body.empty()) {
    res.set_content(answer.body, answer.content_type);
  }
}

} // namespace

std::string_view http_request::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key.size() == name.size()
        && strncasecmp(key.data(), name.data(), name.size()) == 0)
      return value;
  return {};
}

std::string_view http_request::parameter(std::string_view name) const {
  for (const auto& [key, value] : query)
    if (key == name)
      return value;
  return {};
}

class http_server::impl : public httplib::Server {
public:
  explicit impl(handler handle)
    : handle_(std::move(handle)),
      stop_fd_(eventfd(0, EFD_CLOEXEC)) {
    new_task_queue = [] { return new elastic_pool; };
    set_keep_alive_timeout(keep_alive.count()); // both only for the header
    set_keep_alive_max_count(requests_per_connection);
    auto without_body = [this](const httplib::Request& req,
                               httplib::Response& res) { serve(req, res, {}); };
    auto with_body = [this](const httplib::Request& req, httplib::Response& res,
                            const httplib::ContentReader& reader) {
      std::string body;
      if (has_body(req) && req.is_multipart_form_data())
        serve_parts(req, res, reader);
      else if (read_body(req, reader, body))
        serve(req, res, std::move(body));
      else
        res.status = 400;
    };
    Get(".*", without_body);
    Post(".*", with_body);
    Put(".*", with_body);
    Patch(".*", with_body);
    Delete(".*", with_body);
  }

  ~impl() override {
    ::close(stop_fd_);
    SSL_CTX_free(tls_);
  }

  /// Returns what is wrong with the files; empty if nothing is.
  std::string use_tls(const tls_files& files) {
    if (files.certificate.empty() && files.key.empty())
      return {};
    tls_ = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(tls_, TLS1_2_VERSION);
    SSL_CTX_set_mode(tls_, SSL_MODE_ENABLE_PARTIAL_WRITE
                             | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    const auto* certificate = files.certificate.c_str();
    const auto* ca = files.client_ca.c_str();
    if (SSL_CTX_use_certificate_chain_file(tls_, certificate) != 1)
      return fmt::format("{} holds no certificate in PEM", certificate);
    if (SSL_CTX_use_PrivateKey_file(tls_, files.key.c_str(), SSL_FILETYPE_PEM)
          != 1
        || SSL_CTX_check_private_key(tls_) != 1)
      return fmt::format("{} holds no key in PEM that fits {}", files.key,
                         certificate);
    if (files.client_ca.empty())
      return {};
    if (SSL_CTX_load_verify_locations(tls_, ca, nullptr) != 1)
      return fmt::format("{} holds no certificates in PEM", ca);
    SSL_CTX_set_client_CA_list(tls_, SSL_load_client_CA_file(ca));
    SSL_CTX_set_verify(tls_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       nullptr);
    return {};
  }

  int start(const std::string& host, int port) {
    // The library's own also share the port with another server, silently.
    set_socket_options([](socket_t socket) {
      int on = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
    if (port == 0)
      port = bind_to_any_port(host);
    else if (!bind_to_port(host, port))
      port = -1;
    if (port <= 0)
      return -1;
    ::listen(svr_sock_, backlog);
    thread_ = std::thread{[this] { listen_after_bind(); }};
    while (!is_running())
      std::this_thread::yield();
    return port;
  }

  void halt() {
    if (!thread_.joinable())
      return;
    uint64_t one = 1;
    [[maybe_unused]] auto written = ::write(stop_fd_, &one, sizeof one);
    stop();
    thread_.join();
  }

  std::atomic<size_t> open{0};

private:
  void serve(const httplib::Request& req, httplib::Response& res,
             std::string&& body) {
    answer(to_request(req, std::move(body)), res);
  }

  void serve_parts(const httplib::Request& req, httplib::Response& res,
                   const httplib::ContentReader& reader) {
    bool was_read = false;
    auto request = to_request(req, {});
    request.read_parts = [&](const part_reader& to) {
      return !std::exchange(was_read, true) && read_parts(reader, to);
    };
    bool early = answer(std::move(request), res);
    bool whole
      = was_read
        || (!early
            && read_parts(reader, {[](const http_part&) { return true; },
                                   [](std::string_view) { return true; }}));
    if (early && !was_read)
      lingers_ = true;
    if (early || !whole) { // what is left of the body is no request
      res.set_header("Connection", "close");
      closes_ = true;
    }
  }

  /// Has the handler answer. Returns whether it is in a hurry.
  bool answer(http_request&& request, httplib::Response& res) {
    http_response answer;
    try {
      handle_(request, answer);
    } catch (const std::exception& problem) {
      answer = {};
      answer.status = 500;
      answer.content_type = "text/plain";
      answer.body = fmt::format("{}\n", problem.what());
    }
    resets_ = answer.ending == http_ending::reset;
    bool early = answer.early;
    fill(res, std::move(answer));
    return early;
  }

  /// Serves a connection. In place of the library's own loop, which cannot be
  /// stopped and waits for every idle client.
  bool process_and_close_socket(socket_t socket) override {
    ++open;
    int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    SSL* tls = nullptr;
    if (tls_ != nullptr) {
      fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK);
      tls = SSL_new(tls_);
      SSL_set_fd(tls, socket);
    }
    serve_connection(socket, tls);
    SSL_free(tls);
    if (resets_) {
      linger hard{1, 0};
      setsockopt(socket, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    } else {
      shutdown(socket, SHUT_RDWR);
    }
    ::close(socket);
    --open;
    return true;
  }

  void serve_connection(socket_t socket, SSL* tls) {
    http_stream stream{socket, stop_fd_, tls};
    served = &stream;
    resets_ = lingers_ = closes_ = false;
    bool closed = tls != nullptr && !stream.shake_hands(handshake_patience);
    for (size_t i = 0; i < requests_per_connection && !closed; ++i) {
      if (!stream.wait_readable(keep_alive))
        break;
      bool served_well = process_request(
        stream, i + 1 == requests_per_connection, closed, nullptr);
      if (!stream.usable()) {
        stream.flush();
        break;
      }
      if (!stream.flush() || !served_well || closes_)
        break;
    }
    if (lingers_)
      stream.linger(lingering);
    else if (tls != nullptr && !resets_ && stream.usable())
      SSL_shutdown(tls);
    served = nullptr;
  }

  handler handle_;
  int stop_fd_;
  std::thread thread_;
  SSL_CTX* tls_ = nullptr;
  // Of the connection that this thread serves.
  static thread_local bool resets_;  ///< it ends with a reset
  static thread_local bool lingers_; ///< its client is still sending
  static thread_local bool closes_;  ///< no further request can be read
};

thread_local bool http_server::impl::resets_ = false;
thread_local bool http_server::impl::lingers_ = false;
thread_local bool http_server::impl::closes_ = false;

http_server::http_server(handler handle)
  : impl_(std::make_unique<impl>(std::move(handle))) {
}

http_server::~http_server() {
  stop();
}

result<int, http_errc> http_server::start(const std::string& host, int port,
                                          const tls_files& tls) {
  if (auto problem = impl_->use_tls(tls); !problem.empty())
    return fail(http_errc::bad_tls, std::move(problem));
  auto taken = impl_->start(host, port);
  if (taken < 0)
    return fail(http_errc::cannot_listen,
                fmt::format("cannot listen on {} port {}: the address is not "
                            "this machine's, or the port is taken; choose "
                            "another, or port 0 for a free one",
                            host, port));
  return taken;
}

void http_server::stop() {
  impl_->halt();
}

size_t http_server::connections() const {
  return impl_->open;
}

} // namespace muster::gitlab
