import { type Construct, Node } from 'constructs';

/** One thing that is wrong with what was declared: which option, and what was expected and found. */
export interface DeclarationProblem {
  /** Path of the option below the construct, for example `targets[1].port`; empty for the construct as a whole. */
  readonly option: string;
  /** What was expected and what was found. */
  readonly message: string;
}

/**
 * Thrown by a construct at the line that declared something invalid. Lists all problems at once, each with the path of
 * the construct: `[prod/Federation/fabrikam.com] tlsNegotiation: expected "Required", ...`.
 */
export class DeclarationError extends Error {
  readonly constructPath: string;
  readonly problems: readonly DeclarationProblem[];

  constructor(constructPath: string, problems: readonly DeclarationProblem[]) {
    super(problems.map((problem) => `[${constructPath}] ${describeProblem(problem)}`).join('\n'));
    this.name = 'DeclarationError';
    this.constructPath = constructPath;
    this.problems = problems;
  }
}

export function describeProblem(problem: DeclarationProblem): string {
  return problem.option === '' ? problem.message : `${problem.option}: ${problem.message}`;
}

/** Throws when there is a problem. Called before `super()`, so that a refused construct does not stay in the tree. */
export function refuse(constructPath: string, problems: readonly DeclarationProblem[]): void {
  if (problems.length > 0) throw new DeclarationError(constructPath, problems);
}

/** Path that a child will have, before it is there. */
export function childPath(scope: Construct, id: string): string {
  return scope.node.path === '' ? id : `${scope.node.path}${Node.PATH_SEP}${id}`;
}
