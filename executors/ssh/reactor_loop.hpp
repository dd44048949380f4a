#pragma once

#include "executors/ssh/mailbox.hpp"
#include "executors/ssh/resolver.hpp"
#include "executors/ssh/session.hpp"
#include "executors/ssh/stream_channel.hpp"

#include <array>
#include <deque>
#include <memory>
#include <set>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace muster::ssh {

/// The thread behind `ssh_transport`: epoll, commands, timers. Every function
/// but the constructor, the destructor and `post` is for that thread.
class reactor {
public:
  explicit reactor(ssh_options options);
  ~reactor();

  reactor(const reactor&) = delete;
  reactor& operator=(const reactor&) = delete;

  void post(mailbox::command what) {
    mailbox_->post(std::move(what));
  }

  ssh_counters counters() const {
    auto out = counts_.read();
    std::tie(out.commands, out.commands_peak) = mailbox_->depths();
    return out;
  }

  key_cache& keys() {
    return keys_;
  }

  void connect(connection_id id, dial to,
               std::shared_ptr<connection_sink> sink);
  void disconnect(connection_id id);
  void exec(connection_id id, exec_request what, exec_callback done);
  void open_stream(connection_id connection, stream_id id,
                   const std::string& socket_path,
                   std::shared_ptr<stream_sink> sink);
  void open_command(connection_id connection, stream_id id,
                    command_request what, std::shared_ptr<stream_sink> sink);
  void send(stream_id id, std::string bytes);
  void end_input(stream_id id);
  void resume(stream_id id);
  void close_stream(stream_id id);
  void stop() {
    stopping_ = true;
  }

private:
  struct entry {
    entry(const surroundings& around, const dial& to,
          std::shared_ptr<connection_sink> sink, time_point now)
      : state{around, to, std::move(sink), now},
        target{to} {
    }

    session state;
    dial target; ///< for further ones
    connection_id id = 0;
    connection_id first = 0; ///< of which this is a further one; 0: of none
    std::vector<connection_id> further;   ///< in the order of their making
    bool ready = false;                   ///< to be visited
    time_point timer = time_point::max(); ///< its place in `timers_`
  };

  struct open_one {
    entry* on;
    std::shared_ptr<sink_channel> channel;
  };

  void run();
  void run_commands();
  int wait_ms() const;
  void wait();
  void visit_ready();
  void run_timers();
  void admit_waiting();
  void reap();
  void end_all();
  entry* find(connection_id id);
  entry* find_for(connection_id connection, stream_id id,
                  const std::shared_ptr<stream_sink>& sink);
  void add_stream(entry& to, stream_id id, std::shared_ptr<sink_channel> made);
  entry* add_session(connection_id id, const dial& to,
                     std::shared_ptr<connection_sink> sink);
  bool open_elsewhere(entry& from, const std::shared_ptr<channel>& what);
  void make_ready(entry& x);
  void settle(entry& x);
  void set_timer(entry& x, time_point at);
  void resolved(connection_id id,
                result<std::vector<endpoint>, connection_errc> found);

  ssh_options options_;
  tally counts_;
  key_cache keys_;
  resolver resolver_;
  std::shared_ptr<mailbox> mailbox_;
  std::vector<char> scratch_;
  surroundings around_;
  bool stopping_ = false;
  time_point now_;
  std::unordered_map<connection_id, std::unique_ptr<entry>> sessions_;
  std::unordered_map<session*, entry*> entries_; ///< epoll knows sessions
  std::unordered_map<stream_id, open_one> streams_;
  std::vector<entry*> ready_;
  std::set<std::pair<time_point, connection_id>> timers_;
  std::deque<connection_id> waiting_; ///< for their turn, in order
  time_point admit_again_ = time_point::max();
  std::vector<connection_id> over_;
  connection_id further_made_ = 0;
  std::thread thread_;
};

} // namespace muster::ssh
