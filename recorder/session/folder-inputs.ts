/** Answers about shared folders as inputs of a trace: each with the question it is the answer to. */
import { type FolderQuestion, questionText } from '../../engine/devices/virtio/p9/folder.ts';

/** What answers are called in a trace: `folder-stat`, `folder-list`, `folder-read`, `folder-link`, `folder-statfs`. */
export function folderInput(question: FolderQuestion): string {
  return `${PREFIX}${question.what}`;
}

const PREFIX = 'folder-';

/** The input: length of the question's text u16, the text, the answer. */
export function withQuestion(question: FolderQuestion, answer: Uint8Array): Uint8Array {
  const text = new TextEncoder().encode(questionText(question));
  const data = new Uint8Array(2 + text.length + answer.length);
  new DataView(data.buffer).setUint16(0, text.length, true);
  data.set(text, 2);
  data.set(answer, 2 + text.length);
  return data;
}

/** Question and answer of an input; undefined: it is none. */
export function splitAnswer(data: Uint8Array): { question: string; answer: Uint8Array } | undefined {
  if (data.length < 2) return undefined;
  const length = new DataView(data.buffer, data.byteOffset, 2).getUint16(0, true);
  if (data.length < 2 + length) return undefined;
  return {
    question: new TextDecoder().decode(data.subarray(2, 2 + length)),
    answer: data.slice(2 + length),
  };
}

/** The answer, if the input is one to this question. */
export function answerTo(question: FolderQuestion, data: Uint8Array): Uint8Array | undefined {
  const split = splitAnswer(data);
  return split?.question === questionText(question) ? split.answer : undefined;
}

/** Whether an input of this name is an answer about a folder. */
export function isFolderInput(what: string): boolean {
  return what.startsWith(PREFIX);
}
