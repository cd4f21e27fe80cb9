import { ref } from "vue";

export interface Question {
  readonly title: string;
  readonly text: string;
  readonly confirm: string;
  readonly isDangerous: boolean;
  readonly answer: (isConfirmed: boolean) => void;
}

/** The question that the page asks now. */
export const question = ref<Question | null>(null);

/** Asks the reader. @returns whether they confirmed */
export function ask(asked: Omit<Question, "answer">): Promise<boolean> {
  return new Promise((resolve) => {
    question.value?.answer(false);
    question.value = {
      ...asked,
      answer: (isConfirmed) => {
        question.value = null;
        resolve(isConfirmed);
      },
    };
  });
}
