/**
 * Answers the calls that the benchmark makes over IPC: `operations` maps a name to `(details) => result`, perhaps a promise.
 * The process ends with the benchmark, however that ends.
 */
export function answerCalls(operations) {
  process.on('message', ({ id, operation, details }) => {
    Promise.resolve()
      .then(() => operations[operation](details))
      .then(
        (result) => process.send({ id, result }),
        (error) => process.send({ id, error: error.message }),
      );
  });
  process.on('disconnect', () => process.exit());
}
