#include "actors/trace/trace_buffer.hpp"

#include "actors/trace/limit.hpp"
#include "actors/trace/log_store.hpp"
#include "actors/trace/timestamps.hpp"
#include "actors/trace/utf8.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>

namespace muster {

namespace {

constexpr size_t sources = 5;

size_t index_of(trace_source x) {
  return static_cast<size_t>(x);
}

bool is_job(trace_source x) {
  return x == trace_source::job_out || x == trace_source::job_err;
}

/// Bytes that went through all filters of one writer.
class collector final : public trace_sink {
public:
  void text(std::string_view bytes) override {
    batch += bytes;
  }

  void mask() override {
    batch += masked_text;
  }

  std::string batch;
};

/// What all filters of a job share.
struct filter_settings {
  std::shared_ptr<const phrase_set> phrases;
  std::shared_ptr<const phrase_set> prefixes;
  bool timestamps = true;
};

/// The filters of one writer, in their order (reference/trace, section 4).
class chain {
public:
  chain(const filter_settings& with, trace_source source, trace_sink& end) {
    trace_sink* last = &end;
    if (with.timestamps) {
      stamps_.emplace(is_job(source) ? 1 : 0,
                      source == trace_source::job_err ? 'E' : 'O', end);
      last = &*stamps_;
    }
    tokens_.emplace(with.prefixes, *last);
    urls_.emplace(*tokens_);
    phrases_.emplace(with.phrases, *urls_);
  }

  chain(const chain&) = delete;
  chain& operator=(const chain&) = delete;

  void write(int64_t unix_us, std::string_view bytes) {
    if (stamps_)
      stamps_->set_time(unix_us);
    phrases_->text(bytes);
  }

  void close(int64_t unix_us) {
    if (stamps_)
      stamps_->set_time(unix_us);
    phrases_->close();
    urls_->close();
    tokens_->close();
    if (stamps_)
      stamps_->close();
  }

private:
  std::optional<timestamper> stamps_;
  std::optional<token_filter> tokens_;
  std::optional<url_filter> urls_;
  std::optional<phrase_filter> phrases_;
};

enum class piece_kind : uint8_t { bytes, end_stage, finish };

/// One call of a writer; its bytes are in the queue's common string.
struct piece {
  int64_t unix_us = 0;
  uint32_t size = 0;
  trace_source source = trace_source::manager_body;
  piece_kind kind = piece_kind::bytes;
};

/// How a log ends is said also beyond its limit.
bool is_of_the_end(const piece& x) {
  return x.source == trace_source::manager_final
         || x.kind == piece_kind::finish;
}

struct raw_queue {
  std::vector<piece> pieces;
  std::string bytes;

  /// What this costs; many tiny pieces must not slip past the bound.
  size_t cost() const {
    return bytes.size() + pieces.size() * sizeof(piece);
  }

  /// Drops what a log that has reached its limit does not take any more.
  void keep_end() {
    raw_queue kept;
    size_t at = 0;
    for (const auto& x : pieces) {
      if (is_of_the_end(x)) {
        kept.pieces.push_back(x);
        kept.bytes.append(bytes, at, x.size);
      }
      at += x.size;
    }
    *this = std::move(kept);
  }
};

std::vector<std::string> revealed(const std::vector<secret>& values) {
  std::vector<std::string> texts;
  texts.reserve(values.size());
  for (const auto& value : values)
    texts.push_back(value.reveal());
  return texts;
}

/// The reading side: filters and the finished log. Guarded by its user.
class renderer {
public:
  explicit renderer(const trace_settings& with)
    : settings_{std::make_shared<phrase_set>(
                  mask_phrases(revealed(with.masked))),
                std::make_shared<phrase_set>(token_prefixes(
                  with.job_token_prefixes, with.mask_all_default_tokens)),
                with.timestamps},
      limit_(with.limit_bytes),
      store_(with.temp_dir) {
  }

  void run(const raw_queue& queue) {
    size_t at = 0;
    for (const auto& x : queue.pieces) {
      auto bytes = std::string_view{queue.bytes}.substr(at, x.size);
      at += x.size;
      if ((limit_.reached() || ending_) && !is_of_the_end(x))
        continue;
      handle(x, bytes);
      if (out_.batch.size() >= batch_max)
        commit();
    }
    commit();
    out_.batch.shrink_to_fit();
  }

  trace_extent extent() const {
    return {store_.size(), store_.crc32(), limit_.reached()};
  }

  const log_store& store() const {
    return store_;
  }

private:
  static constexpr size_t batch_max = 128u << 10; ///< [bytes]
  /// What ends a log is a line or two; a text that an instance sent may be in
  /// it.
  static constexpr size_t end_max = 16u << 10; ///< [bytes]

  void handle(const piece& x, std::string_view bytes) {
    switch (x.kind) {
      case piece_kind::end_stage:
        close_job(x.unix_us);
        break;
      case piece_kind::finish:
        close(trace_source::manager_header, x.unix_us);
        close(trace_source::manager_body, x.unix_us);
        close_job(x.unix_us);
        close(trace_source::manager_final, x.unix_us);
        commit();
        keep(utf8_.close());
        break;
      case piece_kind::bytes:
        write(x, bytes);
        break;
    }
  }

  /// A later writer of the manager's comes after all of the earlier one's.
  void write(const piece& x, std::string_view bytes) {
    if (x.source != trace_source::manager_header)
      close(trace_source::manager_header, x.unix_us);
    if (x.source == trace_source::manager_final && !ending_) {
      close_job(x.unix_us);
      close(trace_source::manager_body, x.unix_us);
      commit();
      keep(utf8_.close());
      ending_ = true;
    }
    auto& writer = chains_[index_of(x.source)];
    if (!writer)
      writer = std::make_unique<chain>(settings_, x.source, out_);
    writer->write(x.unix_us, bytes);
  }

  void close(trace_source source, int64_t unix_us) {
    auto& writer = chains_[index_of(source)];
    if (writer)
      writer->close(unix_us);
    writer.reset();
  }

  void close_job(int64_t unix_us) {
    close(trace_source::job_out, unix_us);
    close(trace_source::job_err, unix_us);
  }

  void commit() {
    keep(utf8_.repair(out_.batch, scratch_));
    out_.batch.clear();
    scratch_ = {};
  }

  void keep(std::string_view text) {
    if (ending_) {
      text = text.substr(0, whole_prefix(text, end_max - end_size_));
      end_size_ += text.size();
      store_.append(text);
    } else if (!text.empty() && !limit_.reached()) {
      store_.append(limit_.take(text));
      if (limit_.reached())
        store_.append(limit_.notice());
    }
  }

  filter_settings settings_;
  collector out_;
  std::array<std::unique_ptr<chain>, sources> chains_;
  utf8_repair utf8_;
  std::string scratch_;
  output_limit limit_;
  bool ending_ = false; ///< what comes now ends the log: no limit counts it
  size_t end_size_ = 0; ///< of that so far [bytes]
  log_store store_;
};

void call(const std::function<void()>& hook) {
  if (hook)
    hook();
}

} // namespace

struct trace_buffer::impl {
  impl(const trace_settings& with, trace_hooks to_call)
    : hooks(std::move(to_call)),
      queue_max(with.queue_max),
      queue_min(std::min(with.queue_min, with.queue_max)),
      budget(with.budget ? with.budget
                         : std::make_shared<trace_budget>(INT64_MAX)),
      reader(with) {
  }

  ~impl() {
    account(0);
  }

  /// How much may be queued now.
  size_t bound() const {
    return budget->is_spent() ? queue_min : queue_max;
  }

  /// Tells the budget what the queue costs.
  void account(size_t cost) {
    budget->add(static_cast<int64_t>(cost)
                - static_cast<int64_t>(std::exchange(accounted, cost)));
  }

  /// Queues a piece and returns the hooks that are due.
  std::pair<bool, bool> push(const piece& what, std::string_view bytes) {
    std::lock_guard lock{queue_mutex};
    if (finished || (finished_extent.limit_reached && !is_of_the_end(what)))
      return {};
    queue.pieces.push_back(what);
    queue.bytes += bytes;
    finished = what.kind == piece_kind::finish;
    account(queue.cost());
    auto is_pressed = queue.cost() >= bound() / 2;
    return {!std::exchange(told_grew, true),
            is_pressed && !std::exchange(told_pressed, true)};
  }

  void add(const piece& what, std::string_view bytes) {
    auto [grew, pressed] = push(what, bytes);
    if (grew)
      call(hooks.grew);
    if (pressed)
      call(hooks.pressed);
  }

  raw_queue take() {
    std::lock_guard lock{queue_mutex};
    told_grew = false;
    told_pressed = false;
    auto taken = std::exchange(queue, {});
    // As much will come again: growing step by step would copy it.
    queue.bytes.reserve(std::min(taken.bytes.size(), queue_min));
    account(0);
    return taken;
  }

  const trace_hooks hooks;
  const size_t queue_max;
  const size_t queue_min;
  const std::shared_ptr<trace_budget> budget;

  mutable std::mutex queue_mutex; ///< never held for long
  raw_queue queue;
  size_t accounted = 0; ///< what the budget knows of the queue [bytes]
  trace_extent finished_extent;
  bool finished = false;
  bool told_grew = false;
  bool told_pressed = false;
  bool starved = false; ///< a writer was told to wait

  mutable std::mutex reader_mutex; ///< taken before `queue_mutex`
  renderer reader;
};

trace_buffer::trace_buffer(const trace_settings& with, trace_hooks hooks)
  : impl_(std::make_unique<impl>(with, std::move(hooks))) {
}

trace_buffer::~trace_buffer() = default;

void trace_buffer::append(trace_source source, int64_t unix_us,
                          std::string_view bytes) {
  // A piece's size has 32 bits; larger writes are cut here.
  constexpr size_t piece_max = 1u << 30;
  while (!bytes.empty()) {
    auto part = bytes.substr(0, piece_max);
    bytes.remove_prefix(part.size());
    impl_->add(
      {unix_us, static_cast<uint32_t>(part.size()), source, piece_kind::bytes},
      part);
  }
}

void trace_buffer::end_stage(int64_t unix_us) {
  impl_->add({unix_us, 0, trace_source::job_out, piece_kind::end_stage}, {});
}

void trace_buffer::finish(int64_t unix_us) {
  impl_->add({unix_us, 0, trace_source::manager_body, piece_kind::finish}, {});
}

size_t trace_buffer::wanted() const {
  auto is_pressed = false;
  {
    std::lock_guard lock{impl_->queue_mutex};
    auto used = impl_->queue.cost();
    if (auto bound = impl_->bound(); used < bound)
      return bound - used;
    // It may have been within its bound when it was written to last.
    impl_->starved = true;
    is_pressed = !std::exchange(impl_->told_pressed, true);
  }
  if (is_pressed)
    call(impl_->hooks.pressed);
  return 0;
}

trace_extent trace_buffer::render() {
  trace_extent now;
  auto has_room = false;
  {
    std::lock_guard reading{impl_->reader_mutex};
    auto queue = impl_->take();
    impl_->reader.run(queue);
    now = impl_->reader.extent();
    std::lock_guard lock{impl_->queue_mutex};
    impl_->finished_extent = now;
    if (now.limit_reached) {
      impl_->queue.keep_end();
      impl_->account(impl_->queue.cost());
    }
    if (impl_->queue.cost() < impl_->bound())
      has_room = std::exchange(impl_->starved, false);
  }
  if (has_room)
    call(impl_->hooks.room);
  return now;
}

std::string trace_buffer::read(int64_t offset, size_t max) const {
  std::lock_guard reading{impl_->reader_mutex};
  return impl_->reader.store().read(offset, max);
}

trace_extent trace_buffer::extent() const {
  std::lock_guard lock{impl_->queue_mutex};
  return impl_->finished_extent;
}

} // namespace muster
