#include "executors/local/local_transport.hpp"

#include <utility>

namespace muster::local {

/// Passes what comes from a socket on to a stream's sink.
class local_transport::user : public socket_user {
public:
  user(stream_id id, std::string path, std::shared_ptr<stream_sink> sink,
       std::shared_ptr<table> all, socket_loop& loop)
    : id_(id),
      path_(std::move(path)),
      sink_(std::move(sink)),
      all_(std::move(all)),
      loop_(loop) {
  }

  size_t wanted() override {
    return sink_->wanted();
  }

  void data(std::string_view bytes) override {
    sink_->data(bytes);
  }

  void sent(size_t bytes) override {
    sink_->sent(bytes);
  }

  void ended() override {
    auto socket = forget();
    sink_->closed({connection_errc::closed,
                   "stream: the stream to " + path_ + " was ended"});
    loop_.close(socket);
  }

  void broken(const std::string& why) override {
    forget();
    sink_->closed({connection_errc::closed, "stream: " + path_ + ": " + why});
  }

private:
  socket_id forget() {
    std::lock_guard guard{all_->mutex};
    auto socket = all_->streams[id_].socket;
    all_->streams.erase(id_);
    return socket;
  }

  stream_id id_;
  std::string path_;
  std::shared_ptr<stream_sink> sink_;
  std::shared_ptr<table> all_;
  socket_loop& loop_;
};

void local_transport::connect(connection_id id, const connect_info& target,
                              std::chrono::milliseconds timeout,
                              std::shared_ptr<connection_sink> sink) {
  other_->connect(id, target, timeout, std::move(sink));
}

void local_transport::disconnect(connection_id id) {
  other_->disconnect(id);
}

void local_transport::exec(connection_id id, exec_request what,
                           exec_callback done) {
  other_->exec(id, std::move(what), std::move(done));
}

void local_transport::open_command(connection_id connection, stream_id id,
                                   command_request what,
                                   std::shared_ptr<stream_sink> sink) {
  other_->open_command(connection, id, std::move(what), std::move(sink));
}

void local_transport::open_stream(connection_id connection, stream_id id,
                                  const std::string& socket_path,
                                  std::shared_ptr<stream_sink> sink) {
  if (connection != here) {
    other_->open_stream(connection, id, socket_path, std::move(sink));
    return;
  }
  auto made = helper::connect_to(socket_path);
  if (!made) {
    // Not from within the caller: it may hold what the sink needs.
    loop_->post([sink = std::move(sink), why = made.error().text] {
      sink->closed({connection_errc::channel_refused, "stream: " + why});
    });
    return;
  }
  std::lock_guard guard{table_->mutex};
  loop_->post([sink] { sink->opened(); });
  table_->streams[id] = {
    loop_->add(std::move(*made),
               std::make_shared<user>(id, socket_path, sink, table_, *loop_)),
    sink};
}

socket_id local_transport::socket_of(stream_id id) const {
  std::lock_guard guard{table_->mutex};
  auto found = table_->streams.find(id);
  return found != table_->streams.end() ? found->second.socket : 0;
}

void local_transport::send(stream_id id, std::string bytes) {
  if (auto socket = socket_of(id); socket != 0)
    loop_->send(socket, std::move(bytes));
  else
    other_->send(id, std::move(bytes));
}

void local_transport::end_input(stream_id id) {
  if (auto socket = socket_of(id); socket != 0)
    loop_->end_sending(socket);
  else
    other_->end_input(id);
}

void local_transport::resume(stream_id id) {
  if (auto socket = socket_of(id); socket != 0)
    loop_->resume(socket);
  else
    other_->resume(id);
}

void local_transport::close_stream(stream_id id) {
  auto socket = socket_of(id);
  if (socket == 0) {
    other_->close_stream(id);
    return;
  }
  // The loop's thread tells the sink, as that of the other transport does.
  loop_->post([all = table_, loop = loop_.get(), id] {
    std::unique_lock guard{all->mutex};
    auto ended = all->streams.extract(id);
    guard.unlock();
    if (ended.empty())
      return; // it has ended meanwhile
    loop->close(ended.mapped().socket);
    ended.mapped().sink->closed(
      {connection_errc::closed, "stream: closed on our side"});
  });
}

} // namespace muster::local
