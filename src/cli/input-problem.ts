/** Something wrong with what a command was given: shown to the user as it is, without a stack. */
export class InputProblem extends Error {
  override readonly name = 'InputProblem';
}
