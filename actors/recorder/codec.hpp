#pragma once

#include "actors/recorder/secret_book.hpp"

#include <caf/message.hpp>
#include <caf/type_erased_tuple.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

// Messages as bytes of a recording. A struct is the number of its fields and
// these in their order: a later muster, which has more at the end, reads an
// earlier one's. Numbers are varints, texts have their length before them. In
// the place of an actor stands its number in the run, or a role.

/// What the bytes of a message take from the run.
class writing_context {
public:
  virtual ~writing_context() = default;

  /// The number of the actor if it is known by this role, else 0. With an
  /// empty role: if it is known at all.
  virtual uint32_t number_of(uint64_t actor, const std::string& role) const = 0;

  virtual secret_book& secrets() = 0;

  /// Whether secrets are hidden: they are numbers, and looked for in texts.
  /// Else they stand there as they are: for bytes that are only compared.
  virtual bool hides() const {
    return true;
  }
};

/// The role that a number stands for; null: nobody's.
using role_lookup = std::function<const std::string*(uint64_t number)>;

/// The names of all message types by their numbers in this build: `reserve`.
const std::vector<std::string_view>& message_type_names();

/// Appends a message of one element: the number of its type and its fields.
/// What is none of the types, a `down` or an exit stands there as one of those
/// of messages/recording.hpp.
///
/// Values of type `secret` become numbers; texts are scrubbed of the secrets
/// known so far; of scripts and commands there is only a length and a
/// fingerprint that tells equal ones. No actor handle is written.
void write_message(std::string& to, const caf::type_erased_tuple& what,
                   writing_context& context);

struct read_message_result {
  caf::message what;   ///< empty: it could not be read
  std::string problem; ///< why
  std::string type;    ///< also if it could not be read; may be empty
};

/// Reads what `write_message` wrote. `types` are the names in the recording,
/// which may be another build's. Reads foreign bytes: never more memory than
/// 64 MiB.
read_message_result read_message(std::string_view bytes,
                                 const std::vector<std::string>& types,
                                 const role_lookup& roles);

/// How a script or another long text stands in a recording:
/// `<120 bytes #1f2e3d4c5b6a7980>`.
std::string opaque_text(std::string_view text, const secret_book& secrets);

} // namespace muster
