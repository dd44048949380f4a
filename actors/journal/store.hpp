#pragma once

#include "actors/journal/database.hpp"
#include "messages/error_codes.hpp"
#include "messages/id.hpp"
#include "messages/result.hpp"
#include "messages/secret.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace muster {

/// How a job ended, until GitLab has confirmed it.
struct job_outcome {
  bool success = false;
  int32_t exit_code = 0;
  std::string failure_reason; ///< GitLab's word; empty if it succeeded

  bool operator==(const job_outcome&) const = default;
};

/// An accepted job, as it is written down.
struct journal_job {
  acquisition_key key;
  int64_t job = 0;                    ///< GitLab's number
  secret token;                       ///< the job's own
  std::string runner;                 ///< identity of the runner that took it
  secret payload;                     ///< bytes as given; they hold tokens
  std::string layout;                 ///< of these: who can read them
  int64_t taken_us = 0;               ///< when it was accepted, Unix time [us]
  instance_id instance;               ///< where it runs; empty: nowhere yet
  int32_t slot = -1;                  ///< there; -1: none yet
  std::optional<job_outcome> outcome; ///< known, not confirmed
  secret manager_lines;               ///< the manager's own part of the log
  secret recipe; ///< of the log; empty: the plan was never sent

  bool operator==(const journal_job&) const = default;
};

/// What must be known of an instance after a restart.
struct journal_instance {
  std::string group; ///< the cloud's own id
  instance_id instance;
  int32_t use_count = 0;         ///< jobs given to it so far
  int64_t last_use_ms = 0;       ///< Unix time [ms]; 0: never
  int64_t provisioned_at_ms = 0; ///< first listed, Unix time [ms]
  secret connect_info;           ///< bytes as given; they hold keys
  std::string host_key;          ///< pinned; empty in `put_instance`: as it was
  std::string leaves = {}; ///< why it serves no further job; empty likewise

  bool operator==(const journal_instance&) const = default;
};

/// A host key as it was first seen.
struct pinned_host_key {
  std::string group;
  instance_id instance;
  std::string host_key; ///< `TYPE BASE64`

  bool operator==(const pinned_host_key&) const = default;
};

/// A job of which something may be on an instance, or on a machine that stays
/// when its instance has gone.
struct journal_leftover {
  std::string group;
  instance_id instance;
  acquisition_key key;

  bool operator==(const journal_leftover&) const = default;
};

/// What outlives the process: accepted jobs and known instances, in one SQLite
/// file. Blocking; used from one thread, which is an edge's.
///
/// A write that returned is there after the process was killed; after a power
/// cut the last ones may be missing, but nothing is half-written. Every failure
/// to write is `not_writable` with a line that says what to do: what was
/// written before stays, and the same write may be tried again later.
class journal_store {
public:
  /// The form of the file. A newer one is refused.
  static constexpr int64_t version = 5;

  /// Many writes as one commit: all of them are written, or none.
  class transaction {
  public:
    transaction(transaction&& other) noexcept;
    transaction(const transaction&) = delete;
    transaction& operator=(const transaction&) = delete;
    transaction& operator=(transaction&&) = delete;

    /// Undoes what was not committed.
    ~transaction();

    /// Errors: `not_writable`, also if any write since `begin` has failed: then
    /// none is written.
    result<void, journal_errc> commit();

  private:
    friend class journal_store;

    explicit transaction(journal_store* store);

    journal_store* store_;
  };

  /// Opens `<state_dir>/journal.db`, making file and folder if need be.
  ///
  /// Errors: `not_writable`; `not_readable` if it is damaged, of a newer
  /// version, or another program's.
  static result<journal_store, journal_errc> open(const std::string& state_dir);

  /// Opens the journal of a folder that a manager may be using just now, for a
  /// look and a small change: nothing is made or brought up to date.
  ///
  /// Errors: as `open`; also `not_readable` if there is none, or it is of
  /// another version.
  static result<journal_store, journal_errc>
  open_beside(const std::string& state_dir);

  journal_store(journal_store&&) noexcept = default;
  journal_store& operator=(journal_store&&) noexcept = default;

  /// Begins a transaction; the store must stay where it is until it ends.
  ///
  /// @pre none is open
  /// Errors: `not_writable`.
  result<transaction, journal_errc> begin();

  // -- jobs. Changes to a job that is not written change nothing. --

  /// Writes a job, in the place of one with the same key.
  result<void, journal_errc> put_job(const journal_job& x);

  /// `lines` replaces the manager's own part of the log.
  result<void, journal_errc> update_job_lines(const acquisition_key& key,
                                              const secret& lines);

  /// The plan is about to be sent: place, lines and recipe of `x` replace what
  /// there was. Unlike the others it fails if the job is not written.
  result<void, journal_errc> update_job_start(const journal_job& x);

  result<void, journal_errc> put_job_result(const acquisition_key& key,
                                            const job_outcome& outcome);

  result<void, journal_errc> remove_job(const acquisition_key& key);

  /// A job of a runner is another one's from now on.
  result<void, journal_errc> rename_runner(const std::string& from,
                                           const std::string& to,
                                           const acquisition_key& job);

  /// All jobs, in the order in which they were first written.
  result<std::vector<journal_job>, journal_errc> all_jobs();

  /// The jobs of one runner, in that order.
  result<std::vector<journal_job>, journal_errc>
  jobs_of(const std::string& runner);

  // -- instances --

  /// Writes an instance, in the place of what was known of it. But an empty
  /// `host_key` or `leaves` and a time of 0 leave what was written.
  result<void, journal_errc> put_instance(const journal_instance& x);

  /// Forgets an instance, its pinned host key and what jobs left on it, too.
  result<void, journal_errc> remove_instance(const std::string& group,
                                             const instance_id& instance);

  /// The machine stays, and may be an instance again: its pinned host key is
  /// kept, and nothing else.
  result<void, journal_errc> release_instance(const std::string& group,
                                              const instance_id& instance);

  /// A leftover is written until it is proven gone, whatever becomes of its job
  /// and of the instance.
  result<void, journal_errc> put_leftover(const journal_leftover& x);
  result<void, journal_errc> remove_leftover(const journal_leftover& x);

  /// Those of a group, by instance and key.
  result<std::vector<journal_leftover>, journal_errc>
  leftovers_of(const std::string& group);

  /// The instances of a group, by id.
  result<std::vector<journal_instance>, journal_errc>
  instances_of(const std::string& group);

  /// Pins the host key of an instance, which need not be written yet.
  result<void, journal_errc> pin_host_key(const std::string& group,
                                          const instance_id& instance,
                                          const std::string& host_key);

  /// Forgets the pin: the next contact pins anew, as after reimaging a host.
  result<void, journal_errc> unpin_host_key(const std::string& group,
                                            const instance_id& instance);

  /// The pinned host key; empty: none.
  result<std::string, journal_errc> host_key(const std::string& group,
                                             const instance_id& instance);

  /// All pinned host keys, by group and instance.
  result<std::vector<pinned_host_key>, journal_errc> host_keys();

private:
  /// The statements that are kept prepared.
  enum class query : size_t {
    put_job,
    update_lines,
    update_start,
    put_result,
    remove_job,
    all_jobs,
    jobs_of,
    rename_runner,
    put_instance,
    remove_instance,
    release_instance,
    instances_of,
    pin,
    host_key,
    host_keys,
    put_leftover,
    remove_leftover,
    remove_leftovers,
    leftovers_of,
    count,
  };

  explicit journal_store(database in);

  result<void, journal_errc> set_up();
  result<void, journal_errc> migrate(int64_t from);
  result<void, journal_errc> prepare_all();
  result<void, journal_errc> write(statement& what);
  statement& use(query which);

  database db_;
  std::array<statement, static_cast<size_t>(query::count)> statements_;
  bool in_transaction_ = false;
  std::optional<failure<journal_errc>> failed_; ///< within the transaction
};

} // namespace muster
