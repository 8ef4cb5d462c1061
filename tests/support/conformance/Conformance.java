import java.io.File;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.logging.LogManager;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.PDFAValidator;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;
import org.verapdf.pdfa.validation.profiles.RuleId;

/**
 * Asks veraPDF whether files conform: FLAVOURS FILE..., with the flavours joined by commas ("3a,ua1").
 *
 * <p>Answers in lines of tab-separated fields, for each file (numbered from 0) and flavour either one line
 * "conforms NUMBER FLAVOUR", or a line "broken NUMBER FLAVOUR MESSAGE" for each rule that the file breaks, or
 * "unread NUMBER FLAVOUR MESSAGE" where it could not be parsed.
 */
final class Conformance {
  private static final int EXAMPLES_PER_RULE = 1;
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  public static void main(String[] arguments) {
    LogManager.getLogManager().reset(); // the answers say what is wrong
    VeraGreenfieldFoundryProvider.initialise();
    for (String name : arguments[0].split(",")) {
      PDFAFlavour flavour = PDFAFlavour.byFlavourId(name);
      for (int number = 0; number < arguments.length - 1; number++) {
        check(number, new File(arguments[number + 1]), flavour);
      }
    }
  }

  private static void check(int number, File file, PDFAFlavour flavour) {
    try (PDFAParser parser = Foundries.defaultInstance().createParser(file, flavour);
        PDFAValidator validator = validator(flavour)) {
      report(number, flavour, validator.validate(parser));
    } catch (Exception problem) {
      say("unread", number, flavour.getId(), problem.getMessage());
    }
  }

  private static PDFAValidator validator(PDFAFlavour flavour) {
    boolean logPassed = false;
    boolean detailedMessages = true;
    boolean logProgress = false;
    return Foundries.defaultInstance()
        .createValidator(flavour, EXAMPLES_PER_RULE, logPassed, detailedMessages, logProgress);
  }

  private static void report(int number, PDFAFlavour flavour, ValidationResult result) {
    if (result.isCompliant()) {
      say("conforms", number, flavour.getId());
    }
    Map<RuleId, TestAssertion> examples = result.getTestAssertions().stream()
        .collect(Collectors.toMap(TestAssertion::getRuleId, example -> example, (first, other) -> first));
    result.getFailedChecks().forEach((rule, times) ->
        say("broken", number, flavour.getId(), describe(rule, times, examples.get(rule))));
  }

  private static String describe(RuleId rule, int times, TestAssertion example) {
    String words = example.getErrorMessage() != null ? example.getErrorMessage() : example.getMessage();
    return String.format("rule %s-%d, %d times: %s (first at %s)",
        rule.getClause(), rule.getTestNumber(), times, words, example.getLocation().getContext());
  }

  private static void say(Object... fields) {
    OUT.println(Stream.of(fields)
        .map(field -> String.valueOf(field).replaceAll("\\s+", " "))
        .collect(Collectors.joining("\t")));
  }
}
