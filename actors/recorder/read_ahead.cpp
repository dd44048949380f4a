#include "actors/recorder/read_ahead.hpp"

#include <utility>

namespace muster {

namespace {

constexpr size_t batch_records = 256;
constexpr size_t batches_max = 8;

} // namespace

read_ahead::read_ahead(recording_reader from)
  : from_(std::move(from)),
    thread_([this] { read(); }) {
}

read_ahead::~read_ahead() {
  stop();
}

void read_ahead::read() {
  for (auto is_over = false; !is_over;) {
    batch made;
    made.reserve(batch_records);
    record one;
    while (made.size() < batch_records && from_.next(one))
      made.push_back(std::move(one));
    is_over = made.empty();
    std::unique_lock guard{mutex_};
    changed_.wait(guard,
                  [this] { return stops_ || ready_.size() < batches_max; });
    if (stops_)
      return;
    ready_.push_back(std::move(made));
    changed_.notify_all();
  }
}

bool read_ahead::next(record& into) {
  if (next_ >= taken_.size()) {
    std::unique_lock guard{mutex_};
    changed_.wait(guard, [this] { return stops_ || !ready_.empty(); });
    if (stops_ || ready_.front().empty())
      return false;
    taken_ = std::move(ready_.front());
    ready_.pop_front();
    next_ = 0;
    changed_.notify_all();
  }
  into = std::move(taken_[next_++]);
  return true;
}

const recording_reader& read_ahead::stop() {
  {
    std::lock_guard guard{mutex_};
    stops_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable())
    thread_.join();
  return from_;
}

} // namespace muster
