// Questions: what a sender asks a relay about the letters that it holds.
#include "net/session_parts.h"

namespace p2pmail::net {

using core::Code;
using core::Error;

// After meeting only: before it the mailbox does not know whom it asks.
std::optional<Message> Session::next_question() {
  if (!caller_ || bye_said_) return std::nullopt;
  if (!questions_taken_) {
    questions_taken_ = true;
    if (!caller_->is_nobody())
      for (auto& question : mailbox_.questions(*caller_)) questions_.push_back(std::move(question));
  }
  if (questions_.empty() || asked_.size() >= kQuestionWindow) return std::nullopt;
  Message out;
  out.verb = Verb::kAsk;
  out.number = next_number_++;
  out.body = questions_.front()->text();
  asked_[out.number] = std::move(questions_.front());
  questions_.pop_front();
  return out;
}

void Session::handle_ask(const Message& message) {
  if (bye_heard_) return violation("a question after bye");
  if (message.number <= last_number_) return violation("numbers do not ascend");
  last_number_ = message.number;
  auto answer = mailbox_.answer(*caller_, message.body);
  if (answer && (answer->empty() || answer->size() > core::kMaxAnswer))
    answer = Error{Code::kBug, "an answer of an impossible size"};
  if (!answer) return refuse(message.number, answer.error());
  Message out;
  out.verb = Verb::kTold;
  out.number = message.number;
  out.body = std::move(*answer);
  control_.push_back(std::move(out));
  if (++questions_heard_ > kMaxQuestions) violation("too many questions");
}

void Session::handle_told(const Message& message) {
  const auto found = asked_.find(message.number);
  if (found == asked_.end()) return violation("answers what was not asked");
  const auto question = std::move(found->second);
  asked_.erase(found);
  question->answered(message.body);
}

void Session::give_up_questions(const Error& why) {
  auto asked = std::move(asked_);
  auto waiting = std::move(questions_);
  asked_.clear();
  questions_.clear();
  for (auto& [number, question] : asked) question->answered(why);
  for (auto& question : waiting) question->answered(why);
}

}  // namespace p2pmail::net
